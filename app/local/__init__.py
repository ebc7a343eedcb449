"""Real servers on one machine: what `python -m app run` supervises and what the tests start."""
