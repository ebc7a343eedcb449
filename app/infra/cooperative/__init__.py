"""The one package that knows how to wait: for descriptors, events, threads and queries.

Code above it is plain blocking Python. In a request of the meinheld worker a wait lets the other requests of the
worker run; in any other thread, and before `install`, it is an ordinary wait. That is decided at each call, so that
a background thread and a request may use the same objects.
"""

from app.infra.cooperative import sockets as socket_module
from app.infra.cooperative.event import Event
from app.infra.cooperative.executor import Executor, QueueFull
from app.infra.cooperative.queries import query_timeout
from app.infra.cooperative.sockets import first_to_connect, resolve
from app.infra.cooperative.waits import Kind, install, sleep, wait_readable, wait_writable

__all__ = [
    "Event",
    "Executor",
    "Kind",
    "QueueFull",
    "first_to_connect",
    "install",
    "query_timeout",
    "resolve",
    "sleep",
    "socket_module",
    "wait_readable",
    "wait_writable",
]
