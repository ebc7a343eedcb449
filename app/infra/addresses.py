"""Client addresses in one canonical form, for proxies, limits, storage and display."""

from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network

Address = IPv4Address | IPv6Address

_TRANSLATED = IPv6Network("64:ff9b::/96")  # IPv4 clients as a translator shows them (RFC 6052, 2.1)


def parse_address(text: str) -> Address | None:
    """Parse an IP address; None when `text` is not one.

    IPv4 written as IPv6 becomes IPv4. The zone is dropped: it names an interface of one machine (RFC 4007, 11.2).
    """
    try:
        address = ip_address(text.strip())
    except ValueError:
        return None
    return _plain(address) if isinstance(address, IPv6Address) else address


def canonical_address(text: str) -> str | None:
    """The address as it is stored and shown (RFC 5952); None when `text` is not an address."""
    address = parse_address(text)
    return None if address is None else str(address)


@lru_cache(1024)
def network_of(address: str | None, ipv6_prefix: int) -> str:
    """The key under which limits count a client: the part of its address that it cannot choose freely.

    An IPv4 address stands for itself. IPv6 is counted by its first `ipv6_prefix` bits, as a client has at least a /64
    to choose from (RFC 6177). All clients without an address (those on a Unix socket) share one key.
    """
    parsed = parse_address(address or "")
    if parsed is None:
        return ""
    return str(ip_network((parsed, ipv6_prefix), strict=False)) if isinstance(parsed, IPv6Address) else str(parsed)


def _plain(address: IPv6Address) -> Address:
    if address in _TRANSLATED:
        return IPv4Address(int(address) & 0xFFFF_FFFF)
    return address.ipv4_mapped or IPv6Address(int(address))
