"""Very many kept connections at once: `python -m loadtest.connections` opens them and uses each several times."""
