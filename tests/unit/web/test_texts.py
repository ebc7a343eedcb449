"""Which characters a user's text may contain."""

import re
import unicodedata
from contextlib import nullcontext
from typing import Annotated, Any

import jsonschema_rs
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.routes import ROUTES
from app.web.openapi.description import document
from app.web.texts import checked_lines, checked_text, people_lines, people_text

PATTERNS = {
    least: jsonschema_rs.Draft202012Validator(
        msgspec.json.schema_components([Annotated[str, people_text(least, 100)]])[0][0]
    )
    for least in (0, 1)
}
PDF = {"type": "string", "contentMediaType": "application/pdf"}
NOTHING_TO_SEE = [
    " ", "\u3000", "\u00a0", "\u200b", "\u202e", "\u2066", "\u00ad", "\ufeff", "\u2060", "\u200c", "\u200d\u200e",
    "\u0301", "\ufe0f", "\u034f", "\u3164", "\u115f", "\u1160", "\uffa0", "\u2800", "\ue000", "\U0010fffd",
    "\U000e0001", "\U000e0041", "\U000e0100", " \u200b\u3000 ",
]  # fmt: skip
REFUSED = ["\0", "\n", "\t", "\x1f", "\x7f", "\x80", "\x85", "\x9f", "\u2028", "\u2029"]
SHOWN = [
    "A", "Ada Lovelace", "\u200f\u05e2\u05d3\u05d4", "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645", "\u0928\u0940",
    "\U0001f469\u200d\U0001f680", "\u2764\ufe0f", "\U0001f3f4\U000e0067\U000e0062\U000e007f",
    "O\u2019Neill-\u00d8",
    "\u674e", "\u0e19\u0e49\u0e33", "1", "?",
]  # fmt: skip


@pytest.mark.parametrize("text", SHOWN)
def test_text_of_every_script_is_accepted(text: str) -> None:
    assert checked_text(text) == text
    assert all(each.is_valid(text) for each in PATTERNS.values())


@pytest.mark.parametrize("char", REFUSED)
def test_control_characters_and_line_breaks_are_refused(char: str) -> None:
    for text in (char, f"Ada{char}", f"{char}Ada"):
        with pytest.raises(ValueError, match=re.escape(f"U+{ord(char):04X}")):
            checked_text(text)
        assert not any(each.is_valid(text) for each in PATTERNS.values())


@pytest.mark.parametrize("text", NOTHING_TO_SEE)
def test_invisible_text_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no visible character"):
        checked_text(text)
    assert not any(each.is_valid(text) for each in PATTERNS.values())
    assert checked_text(f"Ada{text}") == f"Ada{text}"


def test_empty_text_is_refused_only_by_the_minimum_length() -> None:
    assert checked_text("") == ""
    assert PATTERNS[0].is_valid("")
    assert not PATTERNS[1].is_valid("")


def test_emoji_unknown_to_python_are_accepted() -> None:
    assert checked_text("\U0001fae9") == "\U0001fae9"


@pytest.mark.parametrize(("text", "valid"), [("a\nb\n\nc", True), ("", True), ("\n", False), ("a\r\nb", False)])
def test_only_line_feeds_separate_lines(text: str, valid: bool) -> None:
    (schema,), _ = msgspec.json.schema_components([Annotated[str, people_lines(100)]])
    assert jsonschema_rs.Draft202012Validator(schema).is_valid(text) == valid
    with nullcontext() if valid else pytest.raises(ValueError, match=r"U\+000D|no visible character"):
        assert checked_lines(text) == text


@given(st.text(st.characters(exclude_categories=["Cn", "Cs"]), min_size=1, max_size=8))
def test_described_pattern_agrees_with_the_check(text: str) -> None:
    try:
        valid = checked_text(text) == text
    except ValueError:
        valid = False
    assert PATTERNS[1].is_valid(text) == valid, [unicodedata.category(char) for char in text]


def test_every_string_field_has_a_pattern_or_is_opaque() -> None:
    """Opaque fields need neither a pattern nor a format: their values are hashed, compared with a secret, or listed."""
    opaque = {"password", "current", "new", "refresh_token", "token"}
    paths, shapes = (document(ROUTES)[name] for name in ("paths", "components"))
    bodies = [op["requestBody"]["content"] for item in paths.values() for op in item.values() if "requestBody" in op]
    described = [media["schema"] for content in bodies for media in content.values()]
    names = {schema["$ref"].rpartition("/")[2] for schema in described if "$ref" in schema}
    assert [schema for schema in described if "$ref" not in schema] == [PDF]
    fields: list[tuple[str, dict[str, Any]]] = [
        (field, schema) for name in names for field, schema in shapes["schemas"][name]["properties"].items()
    ]
    texts = [(field, schema) for field, schema in fields if schema.get("type") == "string"]
    assert [field for field, schema in texts if not {"pattern", "format"} & {*schema} and field not in opaque] == []
    assert {"name", "headline", "email"} <= {field for field, schema in texts if "pattern" in schema}
