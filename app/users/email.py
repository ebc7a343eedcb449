"""E-mail addresses: the canonical form in which they are stored, looked up, compared and counted."""

import re
import unicodedata

import idna

# The syntax is that of <input type=email> in HTML, deliberately narrower than RFC 5322.
_LABEL = "[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
FORM = rf"^[A-Za-z0-9.!#$%&'*+/=?^_`{{|}}~-]{{1,64}}@{_LABEL}(?:\.{_LABEL})*$"
LENGTH_MAX = 254
_form = re.compile(FORM).fullmatch


def canonical_email(text: str) -> str:
    """The canonical form of the address `text`, in ASCII and lower case; raises ValueError if it is not an address.

    White space around it is removed. The local part gets Unicode NFC and case folding, the domain UTS 46 (A-labels).
    """
    local, _, domain = unicodedata.normalize("NFC", text.strip()).rpartition("@")
    address = f"{local.casefold()}@{_ascii(domain)}"
    if len(address) > LENGTH_MAX or not _form(address):
        raise ValueError("is not an e-mail address")
    return address


def _ascii(domain: str) -> str:
    if domain.isascii():
        return domain.lower()
    try:
        return idna.encode(domain, uts46=True).decode().lower()
    except UnicodeError:
        raise ValueError("has an invalid domain") from None
