"""The change log, and what a worker knows of it."""
