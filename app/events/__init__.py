"""Events: the order in which changes of postings and companies are read by feeds and background work.

Triggers write them (`app/migrations/versions`). A reader keeps the position of the last event that it has dealt with
and asks for those after it; it gets each event once, and none is skipped however late its transaction commits.
"""
