"""Background work of a process."""
