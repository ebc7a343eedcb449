"""Token keys, password hashes, and the check that a database is used with its own pepper."""
