"""Token keys, password hashes, and the pepper that a database belongs to."""
