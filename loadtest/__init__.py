"""The benchmark: `python -m loadtest` starts everything that it needs, measures, and prints one table."""
