"""Background work: declared by domains, enqueued inside their transactions, done by worker processes."""
