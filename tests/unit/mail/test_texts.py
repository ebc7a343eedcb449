"""Texts of mails: every language has every mail, values are escaped in HTML, and nothing adds headers."""

import re
from datetime import UTC, datetime
from email import message_from_bytes
from email.policy import SMTP
from pathlib import Path
from string import ascii_lowercase

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.mail.delivery import Folder
from app.mail.messages import Listed, Mail, compose, message_id
from app.mail.server import sender_address
from app.mail.texts import DEFAULT_LANGUAGE, KINDS, LANGUAGES, Section, render, texts_of

SENDER = sender_address("Jobs <no-reply@jobs.example>")
NAMES = ("name", "address", "time", "agent", "company", "inviter", "role", "job", "stage", "search")
VALUES = {name: f"the {name}" for name in NAMES}


def names_in(texts: object) -> set[str]:
    return set(re.findall(r"{{ (\w+) }}", str(texts)))


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("kind", KINDS)
def test_every_language_has_every_mail_with_the_same_values(kind: str, language: str) -> None:
    texts, default = texts_of(language)[kind], texts_of(DEFAULT_LANGUAGE)[kind]
    assert texts.keys() == default.keys()
    assert [names_in(texts[part]) for part in texts] == [names_in(default[part]) for part in texts]
    assert language == DEFAULT_LANGUAGE or texts["subject"] != default["subject"]


@pytest.mark.parametrize("kind", KINDS)
def test_text_and_html_say_the_same_and_have_the_link(kind: str) -> None:
    link = "https://jobs.example/account/verify?token=a&b=c"
    found = render(kind, "fr", VALUES, link)  # type: ignore[arg-type]
    assert link in found.text
    assert link.replace("&", "&amp;") in found.html
    assert '<html lang="fr">' in found.html
    for line in found.text.split("\n\n"):
        if line.strip() and link not in line:
            assert line.strip().replace("'", "&#39;") in found.html


def test_unknown_language_is_english() -> None:
    assert render("test", "tlh", {}) == render("test", "en", {})


@settings(max_examples=40)
@given(st.text(max_size=50))
def test_values_are_escaped_in_html_and_plain_in_text(value: str) -> None:
    found = render("invite", "en", VALUES | {"company": f"<b>{value}</b>{{{{ 7*7 }}}}", "inviter": "x"}, "https://a/b")
    assert "<b>" not in found.html
    assert "{{ 7*7 }}" in found.html
    assert f"<b>{value}</b>{{{{ 7*7 }}}}" in found.text
    assert "\n" not in found.subject
    assert "\r" not in found.subject


@settings(max_examples=30)
@given(value=st.text(max_size=80), language=st.sampled_from(LANGUAGES))
def test_no_value_adds_a_header_or_a_recipient(value: str, language: str) -> None:
    values = VALUES | {"company": f"{value}\r\nBcc: eve@example.com\r\n\r\n{value}", "inviter": value}
    mail = Mail("key", "invite", "ada@example.com", language, values)
    sent = compose(mail, render("invite", language, values, "https://a/b"), SENDER).as_bytes(policy=SMTP)
    read = message_from_bytes(sent, policy=SMTP)
    assert {name.lower() for name in read} == {
        "from", "to", "subject", "date", "message-id", "auto-submitted", "mime-version", "content-type",
    }  # fmt: skip
    assert read["To"] == "ada@example.com"
    assert all(len(line) <= 998 for line in sent.split(b"\r\n"))


@given(st.text(min_size=1, max_size=10, alphabet=ascii_lowercase + ',;:<>"()\r\n\t \u00e4'))
def test_address_is_one_recipient_or_refused(local: str) -> None:
    address = f"{local}@example.com"
    mail = Mail("key", "test", address, "en", {})
    try:
        message = compose(mail, render("test", "en", {}), SENDER)
    except ValueError:
        return
    (recipient,) = message["To"].addresses
    assert recipient.addr_spec == address


def test_message_id_follows_from_the_key() -> None:
    assert message_id("a", SENDER) == message_id("a", SENDER) != message_id("b", SENDER)
    assert re.fullmatch(r"<[0-9a-f]{40}@jobs\.example>", message_id("a", SENDER))


def test_mail_of_a_list_is_the_same_each_time_and_has_its_url_in_one_piece(tmp_path: Path) -> None:
    url = f"https://api.jobs.example/account/unsubscribe?token={'A' * 150}"
    sections = [Section("Mine <b>", [("Nurse", "https://jobs.example/1"), ("Cook", "")], 3, "https://jobs.example/s")]
    listed = Listed(datetime(2026, 11, 29, 8, tzinfo=UTC), url, url, sections)
    mail = Mail("digest 7", "alerts", "ada@example.com", "en", VALUES)

    def sent() -> bytes:
        rendered = render(mail.kind, mail.language, mail.values, listed.stop, listed.sections)
        Folder(tmp_path).deliver(compose(mail, rendered, SENDER, listed), SENDER.addr_spec, mail.to)
        (path,) = tmp_path.iterdir()
        return path.read_bytes()

    first = sent()
    assert f"\nList-Unsubscribe: <{url}>\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\n".encode() in first
    assert b"Date: Sun, 29 Nov 2026 08:00:00 +0000" in first
    assert sent() == first
    html = render("alerts", "en", VALUES, url, sections).html
    assert "<h2>Mine &lt;b&gt;</h2>" in html
    assert '<li><a href="https://jobs.example/1">Nurse</a></li>\n<li>Cook</li>' in html
