"""The web servers side by side: `python -m loadtest.serving` compares ours with published meinheld, gthread and gevent."""
