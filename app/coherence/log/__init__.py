"""The log of changes, and what a worker knows of it."""
