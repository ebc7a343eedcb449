"""The benchmark: `python -m loadtest` starts all servers that it needs, measures, and prints one table."""
