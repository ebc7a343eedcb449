"""Where mail goes: the parsed MAIL_URL."""

import re
from dataclasses import dataclass
from email.headerregistry import Address
from email.utils import parseaddr
from pathlib import Path
from typing import Literal
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from app.config import Settings
from app.errors import ConfigError

_PORTS = {"smtp": 587, "smtps": 465}
_PAGES = re.compile(r"https?://[!-~]{1,300}[^/]")
_STARTTLS = ("required", "never")


@dataclass(frozen=True, slots=True)
class SmtpServer:
    """A mail server; without `user` there is no authentication. `ca_file` replaces the system's certificates."""

    host: str
    port: int
    tls: Literal["implicit", "starttls", "none"]
    user: str = ""
    password: str = ""
    ca_file: str | None = None


def mail_target(settings: Settings) -> SmtpServer | Path | None:
    """The server, the folder for development, or None without mail; raises ConfigError for unusable settings."""
    if not settings.mail_url:
        return None
    try:
        target = parse_mail_url(settings.mail_url)
    except ValueError as error:
        raise ConfigError(f"MAIL_URL: {error}") from None
    if isinstance(target, Path) and not settings.development:
        raise ConfigError("MAIL_URL: a folder is for ENVIRONMENT=development; use smtp:// or smtps://")
    sender_address(settings.mail_from)
    if not _PAGES.fullmatch(settings.account_pages_url):
        raise ConfigError("ACCOUNT_PAGES_URL: a URL such as https://jobs.example/account is needed")
    if settings.mail_timeout < 1:
        raise ConfigError("MAIL_TIMEOUT: at least 1 is needed")
    return target


def parse_mail_url(text: str) -> SmtpServer | Path:
    """`smtps://`, `smtp://` (STARTTLS unless `?starttls=never`) or `file:/folder`; raises ValueError.

    The password never appears in an error.
    """
    url = urlsplit(text)
    if url.scheme == "file":
        if not url.path.startswith("/") or url.netloc:
            raise ValueError("file: needs an absolute path, such as file:/tmp/mail")
        return Path(unquote(url.path))
    if url.scheme not in _PORTS or not url.hostname or url.path not in ("", "/"):
        raise ValueError("smtp://USER:PASSWORD@HOST:PORT or smtps://USER:PASSWORD@HOST:PORT is needed")
    options = dict(parse_qsl(url.query, keep_blank_values=True))
    starttls, ca_file = options.pop("starttls", _STARTTLS[0]), options.pop("ca", None)
    if options or starttls not in _STARTTLS:
        raise ValueError("only ?starttls=required, ?starttls=never and ?ca=FILE are known")
    return _server(url, starttls == "never", ca_file)


def _server(url: SplitResult, plain: bool, ca_file: str | None) -> SmtpServer:
    if bool(url.username) != bool(url.password):
        raise ValueError("a user needs a password, and a password a user")
    if plain and url.username:
        raise ValueError("a password is never sent without TLS: remove starttls=never")
    tls: Literal["implicit", "starttls", "none"] = "none" if plain else "starttls"
    if url.scheme == "smtps":
        tls = "implicit"
    host, port = url.hostname or "", url.port or _PORTS[url.scheme]
    return SmtpServer(host, port, tls, unquote(url.username or ""), unquote(url.password or ""), ca_file)


def sender_address(text: str) -> Address:
    """MAIL_FROM such as `Jobs <no-reply@jobs.example>`; raises ConfigError."""
    name, address = parseaddr(text)
    try:
        return one_address(address, name)
    except ValueError:
        raise ConfigError("MAIL_FROM: an address such as no-reply@jobs.example is needed") from None


def one_address(text: str, name: str = "") -> Address:
    """`text` as a single ASCII address of a header; raises ValueError for anything else."""
    try:
        address = Address(display_name=name, addr_spec=text)
    except Exception as error:  # the parser of the standard library raises IndexError and others for some texts
        raise ValueError("is not one address") from error
    if not text.isascii() or not text.isprintable() or address.addr_spec != text or not address.domain:
        raise ValueError("is not one address")
    return address
