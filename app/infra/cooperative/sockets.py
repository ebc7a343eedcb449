"""A stand-in for the `socket` module, given to pymemcache as `socket_module`: its sockets wait cooperatively.

Only stream sockets (TCP and AF_UNIX) are supported, each with a timeout. Names not defined here come from the standard
module.
"""

# ruff: noqa: A002 - the parameters are named as in the standard module

import errno
import os
import socket as standard
import time
from collections.abc import Callable
from typing import Any, TypeVar

from app.infra.cooperative.executor import Executor, QueueFull
from app.infra.cooperative.waits import sleep, wait_readable, wait_writable

DEFAULT_TIMEOUT_S = 5.0
RESOLVE_TIMEOUT_S = 2.0
UNIX_RETRY_S = 0.002

T = TypeVar("T")

_CONNECTING = (errno.EINPROGRESS, errno.EALREADY, errno.EINTR)

_resolver = Executor(threads=2, queue=64, nice=0)

AddressInfo = tuple[standard.AddressFamily, standard.SocketKind, int, str, tuple[Any, ...]]


def __getattr__(name: str) -> Any:
    return getattr(standard, name)


def getaddrinfo(
    host: str | None,
    port: int | str | None,
    family: int = 0,
    type: int = 0,
    proto: int = 0,
    flags: int = 0,
) -> list[AddressInfo]:
    """`socket.getaddrinfo`, with names resolved in another thread; a slow resolver raises `socket.gaierror` as well."""
    arguments = (host, port, family, type, proto)
    try:
        return standard.getaddrinfo(*arguments, flags | standard.AI_NUMERICHOST)  # type: ignore[return-value]
    except standard.gaierror as error:
        if error.errno != standard.EAI_NONAME or flags & standard.AI_NUMERICHOST:
            raise
    try:
        found: Any = _resolver.run(standard.getaddrinfo, *arguments, flags, timeout_s=RESOLVE_TIMEOUT_S)

    except (TimeoutError, QueueFull) as error:
        raise standard.gaierror(standard.EAI_AGAIN, "the name could not be resolved in time") from error
    return found  # type: ignore[no-any-return]


def resolve(host: str, port: int) -> list[str]:
    """The addresses of `host`, in the resolver's order, for libraries that would look the name up themselves."""
    return [str(info[4][0]) for info in getaddrinfo(host, port, type=standard.SOCK_STREAM)]


def first_to_connect(
    host: str,
    port: int,
    timeout_s: float,
    connect: Callable[[str, float], T],
    failures: tuple[type[Exception], ...] = (OSError,),
) -> T:
    """The result of `connect(address, seconds)` for the first address of `host` that accepts.

    The attempts share `timeout_s`: each gets its part of the time left, so that an address that does not answer leaves
    time for the others. Raises the error of the last attempt, one of `failures`.
    """
    deadline = time.monotonic() + timeout_s
    addresses = list(dict.fromkeys(resolve(host, port)))
    for others_left in reversed(range(len(addresses))):
        share_s = (deadline - time.monotonic()) / (others_left + 1)
        try:
            return connect(addresses[-1 - others_left], share_s)
        except failures:
            if not others_left:
                raise
    raise standard.gaierror(standard.EAI_NONAME, "the name has no address")


class Socket(standard.socket):
    """A stream socket; each operation takes at most the timeout of `settimeout`, which may be below 1 s."""

    def __init__(
        self,
        family: int = -1,
        type: int = -1,
        proto: int = -1,
        fileno: int | None = None,
    ) -> None:
        super().__init__(family, type, proto, fileno)
        super().setblocking(False)
        self._timeout_s = DEFAULT_TIMEOUT_S
        self._answer_expected = False

    def settimeout(self, value: float | None) -> None:
        """Set the timeout in seconds; raises ValueError for None."""
        if value is None:
            raise ValueError("a cooperative socket needs a time limit")
        self._timeout_s = value

    def gettimeout(self) -> float:
        """The timeout in seconds."""
        return self._timeout_s

    def connect(self, address: Any) -> None:
        """Connect within the time limit; raises TimeoutError or another OSError."""
        deadline = time.monotonic() + self._timeout_s
        if self.family != standard.AF_UNIX:
            address = getaddrinfo(address[0], address[1], self.family, standard.SOCK_STREAM)[0][4]
        while (code := super().connect_ex(address)) == errno.EAGAIN and time.monotonic() < deadline:
            sleep(UNIX_RETRY_S)  # the listener's backlog is full; only AF_UNIX says so (unix(7))
        if code in _CONNECTING:
            wait_writable(self.fileno(), deadline - time.monotonic())
            code = self.getsockopt(standard.SOL_SOCKET, standard.SO_ERROR)
        if code == errno.EAGAIN:
            raise TimeoutError("the server takes no connection")
        if code:
            raise OSError(code, os.strerror(code))

    def recv(self, bufsize: int, flags: int = 0) -> bytes:
        """Up to `bufsize` bytes; raises TimeoutError."""
        if self._answer_expected:  # right after a send the response is hardly ever there yet, so skip the first recv
            self._answer_expected = False
            wait_readable(self.fileno(), self._timeout_s)
        while True:
            try:
                return super().recv(bufsize, flags)
            except BlockingIOError:
                wait_readable(self.fileno(), self._timeout_s)

    def recv_into(self, buffer: Any, nbytes: int = 0, flags: int = 0) -> int:
        """Receive into `buffer`; raises TimeoutError."""
        if self._answer_expected:
            self._answer_expected = False
            wait_readable(self.fileno(), self._timeout_s)
        while True:
            try:
                return super().recv_into(buffer, nbytes, flags)
            except BlockingIOError:
                wait_readable(self.fileno(), self._timeout_s)

    def send(self, data: Any, flags: int = 0) -> int:
        """Send some of `data`, return how many bytes; raises TimeoutError."""
        self._answer_expected = True
        while True:
            try:
                return super().send(data, flags)
            except BlockingIOError:
                wait_writable(self.fileno(), self._timeout_s)

    def sendall(self, data: Any, flags: int = 0) -> None:
        """Send everything within the time limit."""
        sent = self.send(data, flags)
        if sent == len(data):
            return
        deadline = time.monotonic() + self._timeout_s
        rest = memoryview(data)[sent:]
        while rest:
            try:
                rest = rest[super().send(rest, flags) :]
            except BlockingIOError:
                wait_writable(self.fileno(), deadline - time.monotonic())


socket = Socket
