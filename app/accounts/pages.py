"""The pages to which links in mails lead: a form without scripts, in the reader's language."""

import base64
import hashlib
from typing import Literal

from app.auth.links.tokens import Purpose
from app.mail.texts import DEFAULT_LANGUAGE, LANGUAGES, html_page, texts_of

_STYLE = (
    "body{font:1.1em/1.5 sans-serif;max-width:32em;margin:3em auto;padding:0 1em}"
    "input,button{font:inherit;padding:.5em;max-width:100%;box-sizing:border-box}input{display:block;width:100%}"
)
_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
Page = Purpose | Literal["unsubscribe"]
PAGE_POLICY = (
    f"default-src 'none'; style-src 'sha256-{_HASH}'; img-src data:; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'"
)


def form_page(purpose: Page, language: str, token: str, problem: str = "") -> bytes:
    """The form that uses a link; `problem` is the code of an error, whose form may be sent again."""
    texts = texts_of(language)["pages"]
    message = texts["errors"].get(problem, texts["errors"]["other"]) if problem else ""
    return _page(purpose, language, message, token)


def done_page(purpose: Page, language: str) -> bytes:
    """The page after the link was used."""
    return _page(purpose, language, texts_of(language)["pages"][purpose]["done"], None)


def _page(purpose: Page, language: str, message: str, token: str | None) -> bytes:
    values = {"texts": texts_of(language)["pages"][purpose], "style": _STYLE, "message": message}
    return html_page(language=language, form=token is not None, token=token or "", **values).encode()


def language_of(accept_language: str) -> str:
    """The first language of Accept-Language that has texts, in the order of the header; else English."""
    asked = [part.partition(";")[0].strip().lower()[:2] for part in accept_language[:500].split(",")]
    return next((each for each in asked if each in LANGUAGES), DEFAULT_LANGUAGE)
