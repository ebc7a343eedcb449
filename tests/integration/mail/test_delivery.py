"""Delivery to a real SMTP server that refuses, delays and drops at every step of the dialogue."""

import ssl
from collections.abc import Iterator
from email import message_from_bytes
from email.message import EmailMessage
from pathlib import Path

import pytest

from app.errors import RateLimited
from app.mail.delivery import Delivery, PermanentFailure, Smtp, TemporaryFailure, delivery_of
from app.mail.messages import Mail
from app.mail.server import SmtpServer as Target
from app.mail.server import parse_mail_url, sender_address
from app.mail.service import MailService
from app.mail.store import SuppressionStore
from tests.certificates import Authority
from tests.conftest import LocalDatabase
from tests.smtp import SECRET, STEPS, USER, SmtpServer, Step

SENDER = sender_address("Jobs <no-reply@jobs.example>")
MAIL = Mail("key", "test", "ada@example.com", "en", {})
SHORT_S, LONG_S = 0.3, 30.0
BEFORE_MAIL = ("connect", "EHLO", "STARTTLS", "AUTH")
ABOUT_THE_MAIL = ("MAIL", "RCPT", "DATA", "content")


class Memory:
    """A suppression list."""

    def __init__(self) -> None:
        self.reasons: dict[str, str] = {}

    def find(self, address: str) -> str | None:
        return self.reasons.get(address)

    def suppress(self, address: str, reason: str) -> None:
        self.reasons[address] = reason


def service(delivery: Delivery, suppressions: Memory | None = None) -> MailService:
    return MailService(delivery, SENDER, suppressions or Memory(), lambda alert: None, lambda link: f"https://a/{link}")


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Authority().write(tmp_path_factory.mktemp("tls"), "localhost")


@pytest.fixture(scope="module")
def tls(certificates: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates / "tls.crt", certificates / "tls.key")
    return context


@pytest.fixture(scope="module")
def server(tls: ssl.SSLContext) -> Iterator[SmtpServer]:
    """Needs STARTTLS and a login."""
    with SmtpServer(tls, login=True) as server:
        yield server


def target(server: SmtpServer, certificates: Path, password: str = SECRET) -> Target:
    return Target("localhost", server.port, "starttls", USER, password, str(certificates / "ca.crt"))


def patient(server: SmtpServer, certificates: Path) -> Smtp:
    return Smtp(target(server, certificates), LONG_S, LONG_S)


def test_mail_arrives_once_with_its_headers(server: SmtpServer, certificates: Path) -> None:
    plan = server.behave()
    assert service(patient(server, certificates)).send(MAIL)
    (mail,) = plan.received
    assert plan.envelopes == [("no-reply@jobs.example", ["ada@example.com"])]
    assert (mail["From"], mail["To"], mail["Auto-Submitted"]) == (str(SENDER), "ada@example.com", "auto-generated")
    assert [part.get_content_type() for part in mail.iter_parts()] == ["text/plain", "text/html"]


def test_repetition_has_the_same_message_id(server: SmtpServer, certificates: Path) -> None:
    plan = server.behave()
    for _ in range(2):
        service(patient(server, certificates)).send(MAIL)
    first, second = plan.received
    assert first["Message-ID"] == second["Message-ID"]


@pytest.mark.parametrize("step", STEPS[:-1])
@pytest.mark.parametrize("answer", ["421 4.3.0 closing", "451 4.3.0 later", "drop"])
def test_temporary_failure_of_each_step_is_temporary(
    server: SmtpServer, certificates: Path, step: Step, answer: str
) -> None:
    plan = server.behave(step, answer)
    with pytest.raises(TemporaryFailure):
        service(patient(server, certificates)).send(MAIL)
    assert (plan.received, plan.connections > 0) == ([], True)
    server.behave()
    assert service(patient(server, certificates)).send(MAIL)


@pytest.mark.parametrize("step", STEPS[:-1])
def test_silence_at_each_step_is_temporary(server: SmtpServer, certificates: Path, step: Step) -> None:
    server.behave(step, "delay")
    with pytest.raises(TemporaryFailure):
        service(Smtp(target(server, certificates), SHORT_S, LONG_S)).send(MAIL)


@pytest.mark.parametrize("step", ["connect", "EHLO", "content"])
def test_whole_dialogue_has_an_end(server: SmtpServer, certificates: Path, step: Step) -> None:
    server.behave(step, "delay")
    with pytest.raises(TemporaryFailure):
        service(Smtp(target(server, certificates), LONG_S, SHORT_S)).send(MAIL)


@pytest.mark.parametrize("step", BEFORE_MAIL)
def test_refusal_of_the_connection_is_temporary(server: SmtpServer, certificates: Path, step: Step) -> None:
    server.behave(step, "554 5.7.1 no service")
    with pytest.raises(TemporaryFailure):
        service(patient(server, certificates)).send(MAIL)


@pytest.mark.parametrize("step", ABOUT_THE_MAIL)
def test_refusal_of_the_mail_is_permanent_and_says_why(server: SmtpServer, certificates: Path, step: Step) -> None:
    server.behave(step, "550 5.7.1 not from you")
    suppressions = Memory()
    with pytest.raises(PermanentFailure, match=r"550 .*not from you"):
        service(patient(server, certificates), suppressions).send(MAIL)
    assert suppressions.reasons == {}


@pytest.mark.parametrize("answer", ["drop", "delay", "451 later", "550 no"])
def test_mail_that_was_taken_is_sent_however_the_dialogue_ends(
    server: SmtpServer, certificates: Path, answer: str
) -> None:
    plan = server.behave("QUIT", answer)
    assert service(Smtp(target(server, certificates), SHORT_S, LONG_S)).send(MAIL)
    assert len(plan.received) == 1


def test_address_that_the_server_does_not_know_gets_no_more_mail(server: SmtpServer, certificates: Path) -> None:
    plan = server.behave("RCPT", "550 5.1.1 no such user")
    suppressions = Memory()
    sending = service(patient(server, certificates), suppressions)
    with pytest.raises(PermanentFailure):
        sending.send(MAIL)
    plan = server.behave()
    assert not sending.send(MAIL)
    assert plan.connections == 0


def test_wrong_password_is_temporary_and_not_named(server: SmtpServer, certificates: Path) -> None:
    server.behave()
    with pytest.raises(TemporaryFailure, match=r"^(?!.*guess)"):
        Smtp(target(server, certificates, "a guess"), SHORT_S, LONG_S).deliver(*_message())


def test_without_starttls_nothing_is_sent_in_plain_text(certificates: Path) -> None:
    with SmtpServer() as plain:
        with pytest.raises(TemporaryFailure, match="STARTTLS"):
            service(Smtp(Target("localhost", plain.port, "starttls"), LONG_S, LONG_S)).send(MAIL)
        assert plain.plan.received == []


@pytest.mark.parametrize("kind", ["starttls", "implicit"])
def test_unknown_certificate_is_refused(tls: ssl.SSLContext, kind: str) -> None:
    with SmtpServer(tls, implicit=kind == "implicit") as server:
        with pytest.raises(TemporaryFailure, match="CERTIFICATE"):
            service(Smtp(Target("localhost", server.port, kind), LONG_S, LONG_S)).send(MAIL)  # type: ignore[arg-type]
        assert server.plan.received == []


def test_implicit_tls_and_plain_relay_work(tls: ssl.SSLContext, certificates: Path) -> None:
    with SmtpServer(tls, implicit=True) as server:
        url = f"smtps://localhost:{server.port}?ca={certificates / 'ca.crt'}"
        assert service(delivery_of(parse_mail_url(url), LONG_S)).send(MAIL)
        assert len(server.plan.received) == 1
    with SmtpServer() as server:
        assert service(delivery_of(parse_mail_url(server.url), LONG_S)).send(MAIL)
        assert len(server.plan.received) == 1


def test_server_that_is_down_is_temporary() -> None:
    with SmtpServer() as server:
        port = server.port
    with pytest.raises(TemporaryFailure):
        service(Smtp(Target("localhost", port, "none"), LONG_S, LONG_S)).send(MAIL)


def test_folder_keeps_one_file_for_each_mail(tmp_path: Path) -> None:
    folder = tmp_path / "mail"
    for key in ("a", "a", "b"):
        service(delivery_of(folder, LONG_S)).send(Mail(key, "test", "ada@example.com", "de", {}))
    files = sorted(folder.iterdir())
    assert [path.suffix for path in files] == [".eml", ".eml"]
    assert message_from_bytes(files[0].read_bytes())["To"] == "ada@example.com"


def test_mail_beyond_the_rate_is_temporary(tmp_path: Path) -> None:
    def refuse(alert: bool) -> None:
        raise RateLimited("mails", 1, 60, 17)

    sending = MailService(delivery_of(tmp_path, LONG_S), SENDER, Memory(), refuse, str)
    with pytest.raises(TemporaryFailure) as caught:
        sending.send(MAIL)
    assert caught.value.retry_after == 17
    assert list(tmp_path.iterdir()) == []


def test_link_that_no_longer_works_is_not_mailed(tmp_path: Path) -> None:
    sending = MailService(delivery_of(tmp_path, LONG_S), SENDER, Memory(), lambda alert: None, lambda link: None)
    assert not sending.send(Mail("key", "verify", "ada@example.com", "en", {}, 5))
    assert list(tmp_path.iterdir()) == []


def test_suppressed_addresses_are_kept_in_the_database(database: LocalDatabase) -> None:
    from app.config import DatabaseTuning
    from app.infra.postgres.database import Database

    connected = Database(database.url, DatabaseTuning(), prepared=False)
    try:
        store = SuppressionStore(connected)
        assert store.find(MAIL.to) is None
        store.suppress(MAIL.to, "bounced")
        store.suppress(MAIL.to, "asked")
        assert store.find(MAIL.to) == "asked"
        assert (store.allow(MAIL.to), store.allow(MAIL.to), store.find(MAIL.to)) == (True, False, None)
    finally:
        connected.close()


def _message() -> tuple[EmailMessage, str, str]:
    from app.mail.messages import compose
    from app.mail.texts import render

    return compose(MAIL, render("test", "en", {}), SENDER), SENDER.addr_spec, MAIL.to
