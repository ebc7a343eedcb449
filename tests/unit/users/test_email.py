"""Every email address has one canonical form, and invalid addresses are refused."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.users.email import FORM, canonical_email

ADA = "ada@example.com"


@pytest.mark.parametrize(
    ("spelling", "canonical"),
    [
        ("Ada@Example.COM", ADA),
        (" ada@example.com", ADA),
        ("ada@example.com \r\n", ADA),
        ("\u3000ada@example.com\u00a0", ADA),
        ("\u212aim@example.com", "kim@example.com"),
        ("\u017fam@example.com", "sam@example.com"),
        ("ada@\u212ailo.example", "ada@kilo.example"),
        ("ada@\uff25\uff58ample.com", ADA),
        ("ada@example\u3002com", ADA),
        ("ada@b\u00fccher.example", "ada@xn--bcher-kva.example"),
        ("ada@bu\u0308cher.example", "ada@xn--bcher-kva.example"),
        ("ada@B\u00dcCHER.example", "ada@xn--bcher-kva.example"),
        ("ada@XN--BCHER-KVA.example", "ada@xn--bcher-kva.example"),
        ("ada@stra\u00dfe.example", "ada@xn--strae-oqa.example"),
        ("ADA@localhost", "ada@localhost"),
    ],
)
def test_every_spelling_has_one_canonical_form(spelling: str, canonical: str) -> None:
    assert canonical_email(spelling) == canonical
    assert canonical_email(canonical) == canonical


@pytest.mark.parametrize(
    "text",
    [
        "",
        "@",
        "ada",
        "ada@",
        "@example.com",
        "a b@example.com",
        "ada\u200b@example.com",
        "ad\u00e4@example.com",
        "\u0130da@example.com",
        "\u0131da@example.com",
        "\uff41da@example.com",
        "ada\uff20example.com",
        "ada@\u2603.example",
        "ada@-x.example",
        "ada@x..example",
        "ada\0@example.com",
        "ada@exa\0mple.com",
        "ada@\ud800.example",
        "a" * 65 + "@example.com",
        "ada@" + ".".join(["\u00fc" * 50] * 5),
        "ada@" + "\u00fc" * 250,
    ],
)
def test_invalid_address_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"address|domain"):
        canonical_email(text)


@given(st.from_regex(FORM, fullmatch=True))
def test_address_that_matches_the_pattern_is_canonical_in_lower_case(text: str) -> None:
    canonical = canonical_email(text)
    assert canonical == text.lower()
    assert canonical_email(canonical) == canonical


@given(st.text(), st.text())
def test_canonical_form_is_lower_case_ascii(local: str, domain: str) -> None:
    try:
        canonical = canonical_email(f"{local}@{domain}")
    except ValueError:
        return
    assert re.fullmatch(r"[!-?^-~]+@[a-z0-9.-]+", canonical)
    assert canonical_email(canonical) == canonical
