"""Which forwarded addresses and schemes are trusted."""

from collections.abc import Iterable
from ipaddress import ip_network
from typing import Any

import pytest

from app.server.proxy import trust_proxies
from app.variables import Network

NETWORKS: tuple[Network, ...] = (ip_network("10.0.0.0/8"), ip_network("127.0.0.1/32"), ip_network("fd00::/8"))


def seen(
    peer: str, forwarded: str | None = None, proto: str | None = None, networks: Any = NETWORKS
) -> tuple[str, str]:
    """Address and scheme as the application sees them."""
    environ = {"REMOTE_ADDR": peer, "wsgi.url_scheme": "http"}
    if forwarded is not None:
        environ["HTTP_X_FORWARDED_FOR"] = forwarded
    if proto is not None:
        environ["HTTP_X_FORWARDED_PROTO"] = proto

    def application(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        return []

    trust_proxies(application, networks)(environ, lambda *_: None)
    return environ["REMOTE_ADDR"], environ["wsgi.url_scheme"]


def test_without_networks_the_application_is_not_wrapped() -> None:
    def application(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        return []

    assert trust_proxies(application, ()) is application


def test_untrusted_peer_is_ignored() -> None:
    assert seen("192.0.2.1", "198.51.100.9", "https") == ("192.0.2.1", "http")


@pytest.mark.parametrize(
    ("forwarded", "address"),
    [
        ("198.51.100.9", "198.51.100.9"),
        ("203.0.113.5, 198.51.100.9", "198.51.100.9"),
        ("203.0.113.5, 198.51.100.9, 10.0.0.7", "198.51.100.9"),
        ("10.0.0.8, 10.0.0.7", "10.0.0.8"),
        ("evil, 10.0.0.7", "10.0.0.7"),
        ("", "10.0.0.1"),
        ("198.51.100.9:4711", "198.51.100.9"),
        ("[2001:db8::5]:4711", "2001:db8::5"),
        ("2001:db8::5", "2001:db8::5"),
        ("::ffff:198.51.100.9", "198.51.100.9"),
        ("64:ff9b::198.51.100.9", "198.51.100.9"),
        ("2001:DB8:0:0::5", "2001:db8::5"),
        ("fe80::1%eth0", "fe80::1"),
        ("[fe80::1%25eth0]:4711", "fe80::1"),
        ("fe80::1%eth0, fd00::7%1", "fe80::1"),
    ],
)
def test_the_last_address_that_is_no_proxy_is_the_client(forwarded: str, address: str) -> None:
    assert seen("10.0.0.1", forwarded)[0] == address


@pytest.mark.parametrize(
    ("proto", "scheme"), [("https", "https"), ("http, https", "https"), ("HTTPS", "https"), ("ftp", "http")]
)
def test_trusted_proxy_sets_the_scheme(proto: str, scheme: str) -> None:
    assert seen("fd00::1", None, proto)[1] == scheme


def test_unix_socket_peer_is_trusted_if_localhost_is() -> None:
    assert seen("", "198.51.100.9")[0] == "198.51.100.9"
    assert seen("", "198.51.100.9", networks=(ip_network("10.0.0.0/8"),))[0] == ""
