"""XML: elements with escaped text."""

import re
from xml.sax.saxutils import escape

_QUOTE = {'"': "&quot;"}
# Everything that XML 1.0 cannot contain, not even as a reference (its production 2, Char).
_FORBIDDEN = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")

DECLARATION = '<?xml version="1.0" encoding="utf-8"?>\n'


def element(name: str, text: str = "", **attributes: str) -> str:
    """An element with `text`; characters that XML forbids are left out, and so are empty attributes.

    In names of attributes `_` stands for `:`.
    """
    given = "".join(f' {key.replace("_", ":")}="{_escaped(value)}"' for key, value in attributes.items() if value)
    return f"<{name}{given}>{_escaped(text)}</{name}>" if text else f"<{name}{given}/>"


def _escaped(text: str) -> str:
    return escape(_FORBIDDEN.sub("", text), _QUOTE)
