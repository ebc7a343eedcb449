"""`python -m loadtest.serving.ours PORT DATABASE MEMCACHED`: serves the comparison's application with our server."""

import sys

from app.config import Settings
from app.server.gunicorn_app import serve
from loadtest.serving.handlers import application

if __name__ == "__main__":
    port, database, memcached = sys.argv[1:]
    serve(
        Settings(port=int(port), workers=1),
        lambda _: application("ours", database, memcached),
        lambda _method, _path: 3072,
    )
