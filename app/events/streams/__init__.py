"""Events for single accounts: what happened to their sessions, profiles and applications, for clients that listen.

Triggers write them (`app/migrations/versions`), in the statement that makes the change; other code writes its own with
`store.write`. They are read by position, as the events of postings are, and kept for 20 minutes at least.
"""
