"""The configuration of gunicorn: one worker, as our service has; each of its threads keeps a database connection."""

import os

bind = f"127.0.0.1:{os.environ['PORT']}"
worker_class = "gthread"
workers = 1
threads = 8
keepalive = 75
loglevel = "warning"
