"""MAIL_URL and MAIL_FROM: what they mean, and what is refused."""

from pathlib import Path

import pytest

from app.config import Settings
from app.errors import ConfigError
from app.mail.server import SmtpServer, mail_target, one_address, parse_mail_url, sender_address

SMTP_URL = "smtps://user:secret@mail.example"


@pytest.mark.parametrize(
    ("url", "server"),
    [
        ("smtp://mail.example", SmtpServer("mail.example", 587, "starttls")),
        ("smtp://mail.example:25?starttls=never", SmtpServer("mail.example", 25, "none")),
        (SMTP_URL, SmtpServer("mail.example", 465, "implicit", "user", "secret")),
        ("smtp://a%40b:p%2F%3A@[::1]:2525/", SmtpServer("::1", 2525, "starttls", "a@b", "p/:")),
        ("smtps://mail.example?ca=/etc/ca.pem", SmtpServer("mail.example", 465, "implicit", ca_file="/etc/ca.pem")),
        ("file:/var/a%20mail", Path("/var/a mail")),
    ],
)
def test_url_names_server_and_encryption(url: str, server: SmtpServer | Path) -> None:
    assert parse_mail_url(url) == server


@pytest.mark.parametrize(
    "url",
    [
        "mail.example", "http://mail.example", "smtp://", "smtp://mail.example/x", "smtp://user@mail.example",
        "smtp://user:secret@mail.example?starttls=never", "smtp://mail.example?starttls=maybe",
        "smtp://mail.example?verify=no", "smtp://mail.example:99999", "file:mail", "file://host/mail",
    ],
)  # fmt: skip
def test_unusable_url_is_refused_without_naming_the_password(url: str) -> None:
    with pytest.raises(ValueError, match=r"^(?!.*secret)"):
        parse_mail_url(url)


def settings(**changes: str) -> Settings:
    given = {
        "mail_url": SMTP_URL,
        "mail_from": "Jobs <no-reply@jobs.example>",
        "account_pages_url": "https://a/account",
    }
    return Settings(**{**given, **changes})  # type: ignore[arg-type]


def test_without_url_there_is_no_mail() -> None:
    assert mail_target(Settings()) is None
    assert mail_target(settings()) == parse_mail_url(SMTP_URL)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"mail_url": "file:/var/mail"}, "MAIL_URL"),
        ({"mail_url": "smtp://"}, "MAIL_URL"),
        ({"mail_from": ""}, "MAIL_FROM"),
        ({"mail_from": "no address"}, "MAIL_FROM"),
        ({"account_pages_url": ""}, "ACCOUNT_PAGES_URL"),
        ({"account_pages_url": "javascript:alert(1)"}, "ACCOUNT_PAGES_URL"),
        ({"account_pages_url": "https://a/account/"}, "ACCOUNT_PAGES_URL"),
    ],
)
def test_incomplete_settings_are_refused(changes: dict[str, str], named: str) -> None:
    with pytest.raises(ConfigError, match=named):
        mail_target(settings(**changes))


def test_folder_is_for_development() -> None:
    assert mail_target(settings(environment="development", mail_url="file:/var/mail")) == Path("/var/mail")


def test_sender_has_a_name_and_an_address() -> None:
    assert str(sender_address("Jobs <no-reply@jobs.example>")) == "Jobs <no-reply@jobs.example>"


@pytest.mark.parametrize(
    "text",
    [
        "", "ada", "@example.com", "ada@", "ada@example.com,eve@example.com", "ada@example.com, eve@example.com",
        "ada@example.com\r\nBcc: eve@example.com", "ada@example.com\neve", "ada@example.com\r", "<ada@example.com>",
        "Ada <ada@example.com>", "ada@exa mple.com", "ada@b\u00fccher.example", "ad\u00e4@example.com",
        "group:ada@example.com;",
        "ada@example.com (comment)", "ada\x00@example.com",
    ],
)  # fmt: skip
def test_anything_but_one_ascii_address_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not one address"):
        one_address(text)


@pytest.mark.parametrize("text", ["ada@example.com", "o'neil+jobs@xn--bcher-kva.example", "a!#$%&*=?^_`{|}~@b.example"])
def test_canonical_addresses_are_accepted(text: str) -> None:
    assert one_address(text).addr_spec == text
