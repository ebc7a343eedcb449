"""Administration of the queue: its state, its failed tasks, and what an operator may do with a task."""
