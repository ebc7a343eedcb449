"""Real servers on one machine, for `python -m app run` and for the tests."""
