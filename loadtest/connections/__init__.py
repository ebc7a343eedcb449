"""Many keep-alive connections at once: `python -m loadtest.connections` opens them and uses each several times."""
