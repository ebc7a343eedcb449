"""What a process does beside its requests."""
