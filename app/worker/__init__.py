"""`python -m app worker`: takes tasks from the queue and does them. Only this package imports procrastinate."""
