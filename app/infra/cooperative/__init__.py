"""Waiting for descriptors, events, threads and queries; no other package knows how the worker waits.

Code above it is plain blocking Python. In a request of the meinheld worker a wait lets the other requests of the
worker run; in any other thread, and before `install`, it is an ordinary wait. Each call decides anew, so a background
thread and a request may share the same objects.
"""

from app.infra.cooperative import sockets as socket_module
from app.infra.cooperative.event import Event
from app.infra.cooperative.executor import Executor, QueueFull
from app.infra.cooperative.queries import query_timeout
from app.infra.cooperative.sockets import first_to_connect, resolve
from app.infra.cooperative.waits import (
    Kind,
    in_greenlets,
    in_request_greenlet,
    install,
    sleep,
    wait_readable,
    wait_writable,
)

__all__ = [
    "Event",
    "Executor",
    "Kind",
    "QueueFull",
    "first_to_connect",
    "in_greenlets",
    "in_request_greenlet",
    "install",
    "query_timeout",
    "resolve",
    "sleep",
    "socket_module",
    "wait_readable",
    "wait_writable",
]
