"""One connection to memcached: pymemcache plus pipelined commands of the meta protocol.

The protocol is memcached's doc/protocol.txt, section "Meta commands".
"""

import select
import time
from collections.abc import Callable, Mapping, Sequence

from pymemcache.client.base import Client
from pymemcache.exceptions import (
    MemcacheError,
    MemcacheServerError,
    MemcacheUnexpectedCloseError,
    MemcacheUnknownError,
)

from app.infra.cooperative import first_to_connect, socket_module

KEYS_IN_ONE_EXCHANGE = 200  # so few that both directions fit into the sockets' buffers
LONGEST_TTL_S = 30 * 86_400  # memcached reads a greater number as a Unix time

Address = str | tuple[str, int]  # the path of a Unix socket, or host and port

_RECEIVE_BYTES = 65_536
_BETWEEN = " v\r\nmg "


class MemcacheConnection:
    """Every method may raise OSError or pymemcache's MemcacheError; the connection must then be closed."""

    __slots__ = ("_client", "_poll", "_timeout_s", "idle_since")

    def __init__(self, address: Address, timeout_s: float) -> None:
        self._timeout_s = timeout_s
        self._client = _connected(address, timeout_s)
        self._poll = select.poll()
        self._poll.register(self._client.sock, select.POLLIN)
        self.idle_since = time.monotonic()

    def usable(self) -> bool:
        """Whether an idle connection is still open and has no unexpected data to read."""
        return not self._poll.poll(0)

    def close(self) -> None:
        """Never raises."""
        self._client.close()

    def ping(self) -> None:
        """Send `version`, the smallest command."""
        self._client.version()

    def values(self, keys: Sequence[str]) -> list[bytes | None]:
        """The values of `keys` in their order, None for a miss, with one round trip for each 200 of them."""
        found: list[bytes | None] = []
        for start in range(0, len(keys), KEYS_IN_ONE_EXCHANGE):
            found += self._exchange(keys[start : start + KEYS_IN_ONE_EXCHANGE])
        return found

    def store(self, items: Mapping[str, tuple[bytes, int]]) -> int:
        """Store each key's (value, TTL in seconds), with one round trip for each 200 of them.

        Returns how many the server has refused, because they are too large or there is no memory. The commands are
        quiet: a server that sent responses could block on us while we block on it.
        """
        keys, refused = list(items), 0
        for start in range(0, len(keys), KEYS_IN_ONE_EXCHANGE):
            commands = [_set(key, *items[key]) for key in keys[start : start + KEYS_IN_ONE_EXCHANGE]]
            refused += self._ask(b"".join(commands)).end()
        return refused

    def store_all(self, items: Mapping[str, tuple[bytes, int]]) -> None:
        """The same; raises MemcacheServerError when the server has refused an item."""
        if refused := self.store(items):
            raise MemcacheServerError(f"{refused} of {len(items)} items were refused")

    def count(self, key: str, by: int, ttl_s: int) -> int:
        """The counter after adding `by`; a missing one is created with the TTL `ttl_s`."""
        if (number := self._added(f"ma {key} N{ttl_s} J{by} D{by} v\r\n")) is None:
            raise MemcacheUnknownError("the server did not create the missing counter")
        return number

    def add(self, key: str, value: bytes, ttl_s: int) -> bool:
        """Store the value; False when the key exists already."""
        return bool(self._client.add(key, value, min(ttl_s, LONGEST_TTL_S), noreply=False))

    def set(self, key: str, value: bytes, ttl_s: int) -> bool:
        """Store the value; True when the server has acknowledged."""
        return bool(self._client.set(key, value, min(ttl_s, LONGEST_TTL_S), noreply=False))

    def incr(self, key: str, by: int) -> int | None:
        """The new number, None where there is no such key."""
        return self._added(f"ma {key} D{by} v\r\n")

    def decr(self, key: str, by: int) -> int | None:
        """The new number, at least 0; None where there is no such key."""
        return self._added(f"ma {key} MD D{by} v\r\n")

    def delete(self, key: str) -> bool:
        """False where there was no such key."""
        return bool(self._client.delete(key, noreply=False))

    def _added(self, command: str) -> int | None:
        value = self._ask(command.encode("ascii")).values(1)[0]
        return None if value is None else int(value)

    def _exchange(self, keys: Sequence[str]) -> list[bytes | None]:
        return self._ask(f"mg {_BETWEEN.join(keys)} v\r\n".encode("ascii")).values(len(keys))

    def _ask(self, commands: bytes) -> "_Answer":
        """Send meta commands and a no-op, whose response marks the end of theirs."""
        socket = self._client.sock
        if socket is None:
            raise MemcacheUnexpectedCloseError
        socket.sendall(commands + b"mn\r\n")
        return _Answer(socket.recv, time.monotonic() + self._timeout_s)


def _set(key: str, value: bytes, ttl_s: int) -> bytes:
    return b"ms %s %d T%d q\r\n%s\r\n" % (key.encode("ascii"), len(value), min(ttl_s, LONGEST_TTL_S), value)


def _connected(address: Address, timeout_s: float) -> Client:
    """A client connected to the first address of the server's name that answers."""
    if isinstance(address, str):
        return _answering(address, timeout_s, timeout_s)
    host, port = address
    return first_to_connect(
        host,
        port,
        timeout_s,
        lambda found, share_s: _answering((found, port), share_s, timeout_s),
        (OSError, MemcacheError),
    )


def _answering(address: Address, connect_timeout_s: float, timeout_s: float) -> Client:
    client = Client(
        address, connect_timeout=connect_timeout_s, timeout=connect_timeout_s, no_delay=True,
        socket_module=socket_module, default_noreply=False,
    )  # fmt: skip
    try:
        client.version()
        client.sock.settimeout(timeout_s)
    except BaseException:
        client.close()
        raise
    return client


class _Answer:
    """Reads the responses of meta commands; values are read by their size, never searched for line ends."""

    __slots__ = ("_at", "_data", "_deadline", "_receive")

    def __init__(self, receive: Callable[[int], bytes], deadline: float) -> None:
        self._receive, self._deadline = receive, deadline
        self._data, self._at = b"", 0

    def values(self, number: int) -> list[bytes | None]:
        """The value (VA) or None (EN, NF) for each `mg` or `ma` in order, up to the MN of the no-op."""
        found: list[bytes | None] = []
        self._more()
        for _ in range(number):
            line = self._line()
            if line in {b"EN", b"NF"}:
                found.append(None)
            elif line.startswith(b"VA "):
                found.append(self._block(line))
            else:
                raise MemcacheUnknownError(line[:100])
        if self._line() != b"MN":
            raise MemcacheUnknownError("the responses do not match the requests")
        return found

    def end(self) -> int:
        """Read up to the MN of the no-op; returns the number of responses before it, one for each refused item."""
        self._more()
        refused = 0
        while (line := self._line()) != b"MN":
            if not line.startswith((b"NS", b"SERVER_ERROR")):
                raise MemcacheUnknownError(line[:100])
            refused += 1
        return refused

    def _line(self) -> bytes:
        while (end := self._data.find(b"\r\n", self._at)) < 0:
            self._more()
        line = self._data[self._at : end]
        self._at = end + 2
        return line

    def _block(self, announcement: bytes) -> bytes:
        """The value whose size the line `VA <size>` gives; CRLF follows it."""
        try:
            size = int(announcement[3:])
        except ValueError as error:
            raise MemcacheUnknownError(announcement[:100]) from error
        while len(self._data) - self._at < size + 2:
            self._more()
        end = self._at + size
        block = self._data[self._at : end]
        if self._data[end : end + 2] != b"\r\n":
            raise MemcacheUnknownError("a value does not have the announced size")
        self._at = end + 2
        return block

    def _more(self) -> None:
        if time.monotonic() > self._deadline:
            raise TimeoutError("the answer did not end in time")
        received = self._receive(_RECEIVE_BYTES)
        if not received:
            raise MemcacheUnexpectedCloseError
        self._data, self._at = self._data[self._at :] + received, 0
