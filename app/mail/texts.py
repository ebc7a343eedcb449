"""Texts of mails: one JSON file for each language, rendered by Jinja2 into the layouts for text and HTML."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal, get_args

from jinja2 import Environment, FileSystemLoader, StrictUndefined

_FOLDER = Path(__file__).with_name("texts")
Language = Literal["en", "de", "fr", "es"]
LANGUAGES: tuple[Language, ...] = get_args(Language)
DEFAULT_LANGUAGE: Language = "en"
Kind = Literal[
    "verify", "change", "changed", "recover", "password", "device", "invite", "applied", "stage", "applicants", "alert",
    "alerts", "test",
]  # fmt: skip
KINDS: tuple[Kind, ...] = get_args(Kind)


@dataclass(frozen=True, slots=True)
class Rendered:
    """One mail in one language."""

    subject: str
    text: str
    html: str


@dataclass(frozen=True, slots=True)
class Section:
    """A part of a mail under a title: lines, each with a URL or an empty text, and how many more there are.

    `stop` is a URL that ends such mails about it, or empty.
    """

    title: str
    items: Sequence[tuple[str, str]]
    more: int
    stop: str


def texts_of(language: str) -> dict[str, Any]:
    """The texts of a language, by kind of mail: `subject`, `lines`, and `button` and `after` where it has a link."""
    return _texts(language if language in LANGUAGES else DEFAULT_LANGUAGE)


@cache
def _texts(language: str) -> dict[str, Any]:
    texts: dict[str, Any] = json.loads((_FOLDER / f"{language}.json").read_text())
    return texts


@cache
def _environment(html: bool) -> Environment:
    """For HTML every value is escaped; a name that has no value is an error."""
    loader = FileSystemLoader(_FOLDER)
    return Environment(loader=loader, autoescape=html, undefined=StrictUndefined, trim_blocks=True)  # noqa: S701


def render(
    kind: Kind, language: str, values: dict[str, str], link: str = "", sections: Sequence[Section] = ()
) -> Rendered:  # fmt: skip
    """The mail in `language`, English if there is no such one."""
    known: Language = next((each for each in LANGUAGES if each == language), DEFAULT_LANGUAGE)
    texts = texts_of(known)[kind]
    subject = " ".join(_filled(texts["subject"], values, html=False).split())
    text, html = (_page(known, texts, values, (link, sections), html=html) for html in (False, True))
    return Rendered(subject, text, html)


def _page(
    language: str, texts: dict[str, Any], values: dict[str, str], shown: tuple[str, Sequence[Section]], *, html: bool
) -> str:  # fmt: skip
    link, sections = shown

    def filled(name: str) -> list[str]:
        return [_filled(line, values, html=html) for line in texts.get(name, ())]

    layout = _environment(html).get_template("layout.html" if html else "layout.txt")
    button = texts.get("button", "") if link else ""
    return layout.render(
        language=language, lines=filled("lines"), after=filled("after"), link=link, button=button, sections=sections,
        words=texts,
    )  # fmt: skip


def _filled(text: str, values: dict[str, str], *, html: bool) -> str:
    return _environment(html).from_string(text).render(**values)


def html_page(**values: Any) -> str:
    """The page to which a link leads, with every value escaped but its style."""
    return _environment(html=True).get_template("page.html").render(**values)
