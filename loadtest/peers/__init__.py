"""Other stacks that do the same work on the same database, measured in turn with the service."""
