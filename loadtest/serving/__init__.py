"""The web servers side by side, `python -m loadtest.serving`: ours, published meinheld, gthread and gevent."""
