"""The client's address and scheme, as told by proxies that the settings trust."""

from collections.abc import Iterable
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, IPv6Network
from typing import Any

from app.infra.addresses import Address, parse_address
from app.server.framing import Application, Environ, StartResponse
from app.variables import Network

UNIX_PEER = "127.0.0.1"
SCHEMES = ("http", "https")


def trust_proxies(application: Application, networks: tuple[Network, ...]) -> Application:
    """Replace REMOTE_ADDR and wsgi.url_scheme by what trusted proxies forwarded; no overhead without `networks`.

    The address is the right-most one of X-Forwarded-For that is not itself a trusted proxy: everything to its left was
    written by the client. A peer on a Unix socket has no address; it is trusted where 127.0.0.1 is, as any process that
    can open the socket runs on this machine.
    """
    if not networks:
        return application

    @lru_cache(maxsize=4096)
    def trusted(address: str) -> bool:
        parsed = _parse(address or UNIX_PEER)
        return parsed is not None and any(_contains(network, parsed) for network in networks)

    def call(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        peer = environ["REMOTE_ADDR"]
        if trusted(peer):
            if forwarded := environ.get("HTTP_X_FORWARDED_FOR"):
                environ["REMOTE_ADDR"] = _client(peer, forwarded.split(","), trusted)
            scheme = environ.get("HTTP_X_FORWARDED_PROTO", "").rpartition(",")[2].strip().lower()
            if scheme in SCHEMES:
                environ["wsgi.url_scheme"] = scheme
        return application(environ, start_response)

    return call


def _client(peer: str, hops: list[str], trusted: Any) -> str:
    """The right-most untrusted hop; a hop that is not an address ends the search."""
    believed = peer
    for hop in reversed(hops):
        address = _parse(hop)
        if address is None:
            break
        believed = str(address)
        if not trusted(believed):
            break
    return believed


def _parse(text: str) -> Address | None:
    """An address, with or without a port; None when it is not one."""
    text = text.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    return parse_address(text)


def _contains(network: Network, address: Address) -> bool:
    if isinstance(network, IPv6Network):
        return isinstance(address, IPv6Address) and address in network
    return isinstance(address, IPv4Address) and address in network
