"""The canonical form of an IP address, and the network of it that rate limits count."""

from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.infra.addresses import canonical_address, network_of


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("192.0.2.1", "192.0.2.1"),
        (" 192.0.2.1 ", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("::FFFF:c000:201", "192.0.2.1"),
        ("::ffff:192.0.2.1%eth0", "192.0.2.1"),
        ("64:ff9b::c000:201", "192.0.2.1"),
        ("2001:DB8:0:0:0:0:0:1", "2001:db8::1"),
        ("fe80::1%eth0", "fe80::1"),
        ("fe80::1%25eth0", "fe80::1"),
        ("::1", "::1"),
        ("::", "::"),
        ("::ffff:0:192.0.2.1", "::ffff:0:c000:201"),
    ],
)
def test_every_spelling_has_one_canonical_form(text: str, canonical: str) -> None:
    assert canonical_address(text) == canonical
    assert canonical_address(canonical) == canonical


@pytest.mark.parametrize(
    "text", ["", "unknown", "_hidden", "192.0.2", "192.0.2.01", "192.0.2.1%eth0", "fe80::1%", "1::2::3", "1.2.3.4\0"]
)
def test_invalid_address_is_none(text: str) -> None:
    assert canonical_address(text) is None
    assert network_of(text, 64) == ""


@given(st.ip_addresses(), st.sampled_from(["", "%eth0", "%1"]))
def test_the_canonical_form_has_neither_zone_nor_mapped_address(address: object, zone: str) -> None:
    text = canonical_address(f"{address}{zone if ':' in str(address) else ''}")
    assert text is not None
    assert "%" not in text
    assert not text.startswith("::ffff:") or ip_address(text).ipv4_mapped is None  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("address", "prefix", "network"),
    [
        ("192.0.2.1", 64, "192.0.2.1"),
        ("::ffff:192.0.2.1", 64, "192.0.2.1"),
        ("64:ff9b::192.0.2.1", 64, "192.0.2.1"),
        ("2001:db8:0:5::1", 64, "2001:db8:0:5::/64"),
        ("2001:db8:0:5:ffff::3c", 64, "2001:db8:0:5::/64"),
        ("2001:db8:0:5::1", 48, "2001:db8::/48"),
        ("2001:db8:0:5::1", 128, "2001:db8:0:5::1/128"),
        ("fe80::1%eth0", 64, "fe80::/64"),
        (None, 64, ""),
    ],
)
def test_network_leaves_out_what_a_client_can_choose(address: str | None, prefix: int, network: str) -> None:
    assert network_of(address, prefix) == network
