"""Mails of digests: each is sent once, and a repetition after a lost answer is the same mail."""

from collections.abc import Iterator
from email.message import EmailMessage

import pytest

from app.alerts.digests import duties
from app.alerts.digests.content import DigestMails, key_of
from app.alerts.digests.duties import DigestDuties
from app.alerts.digests.store import DigestStore
from app.alerts.unsubscribing import UnsubscribeTokens
from app.config import Settings
from app.errors import RateLimited, Unavailable
from app.infra.postgres.database import Database
from app.mail.delivery import Smtp, TemporaryFailure
from app.mail.messages import message_id
from app.mail.server import SmtpServer as Target
from app.mail.server import sender_address
from app.mail.service import MailService
from app.mail.store import SuppressionStore
from app.tasks.task import PermanentFailure
from tests.integration.alerts.test_digests import Digests
from tests.integration.alerts.test_matching import direct
from tests.smtp import SmtpServer, Step

__all__ = ["direct"]

SENDER = sender_address("Jobs <no-reply@jobs.example>")
SETTINGS = Settings(
    pepper="p" * 32,
    account_pages_url="https://jobs.example/account",
    public_url="https://api.example",
    path_prefix="/jobs",
    job_pages_url="https://jobs.example/job/{id}",
)
TOKENS = UnsubscribeTokens(b"p" * 32)
STATE = "SELECT sent_at IS NOT NULL, dropped FROM digest WHERE id = %s"


class Sending:
    """Digests, and a worker that sends them to `server`; `limited` reaches the rate of mails."""

    def __init__(self, direct: Database, server: SmtpServer) -> None:
        self.digests, self.server, self.limited = Digests(direct), server, False
        self.database = direct
        delivery = Smtp(Target("localhost", server.port, "none"), 2.0, 6.0)
        mail = MailService(delivery, SENDER, SuppressionStore(direct), self._take, lambda _: None)
        self.duties = DigestDuties(direct, DigestMails(SETTINGS), mail)

    def _take(self, alert: bool) -> None:
        if self.limited:
            raise RateLimited("mails", 1, 0, 30)

    def digest(self, *queries: str) -> int:
        """Make a digest of new searches; its id."""
        for query in queries or ("q=welder&lang=en",):
            self.digests.alert(query)
        self.digests.offer("Welder of <ships> & bridges")
        assert self.digests.made()
        (number,) = self.database.one("SELECT max(id) FROM digest") or (0,)
        return int(number)

    def state(self, digest: int) -> tuple[bool, str | None]:
        sent, dropped = self.database.one(STATE, digest) or (False, None)
        return sent, dropped


@pytest.fixture
def sending(direct: Database) -> Iterator[Sending]:
    with SmtpServer() as server:
        yield Sending(direct, server)


def plain(mail: EmailMessage) -> str:
    return str(mail.get_body(("plain",)).get_content())  # type: ignore[union-attr]


def test_mail_says_what_is_new_and_how_to_end_it(sending: Sending) -> None:
    digest = sending.digest()
    sending.duties.send(digest)
    (mail,) = sending.server.plan.received
    (search,) = sending.database.one("SELECT id FROM saved_search") or (0,)
    token = TOKENS.make(sending.digests.user, search)
    assert mail["To"] == "a@alerts.example"
    assert mail["Subject"] == "New jobs: Search q=welder&lang=en"
    assert mail["Message-ID"] == message_id(key_of(digest), SENDER)
    assert mail["List-Unsubscribe"] == f"<https://api.example/jobs/account/unsubscribe?token={token}>"
    assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    (job,) = sending.database.one("SELECT id FROM posting") or (0,)
    assert "- Welder of <ships> & bridges" in plain(mail)
    html = str(mail.get_body(("html",)).get_content())  # type: ignore[union-attr]
    assert f'<a href="https://jobs.example/job/{job}">Welder of &lt;ships&gt; &amp; bridges' in html
    for text in (plain(mail), html):
        assert f"https://jobs.example/account/unsubscribe?token={token}" in text
    assert sending.state(digest) == (True, None)
    sending.duties.send(digest)
    assert len(sending.server.plan.received) == 1


def test_mail_about_several_searches_ends_each_or_all(sending: Sending) -> None:
    sending.duties.send(sending.digest("q=welder&lang=en", "q=ships&lang=en"))
    (mail,) = sending.server.plan.received
    user = sending.digests.user
    assert TOKENS.make(user) in mail["List-Unsubscribe"]
    rows = sending.database.all("SELECT id FROM saved_search")
    tokens = [TOKENS.make(user), *(TOKENS.make(user, row[0]) for row in rows)]
    assert [token in plain(mail) for token in tokens] == [True] * 3


@pytest.mark.parametrize(
    ("step", "answer"),
    [("connect", "421 no"), ("MAIL", "451 later"), ("RCPT", "drop"), ("DATA", "drop"), ("content", "drop")],
)
def test_failed_delivery_is_repeated_with_the_same_mail(sending: Sending, step: Step, answer: str) -> None:
    digest = sending.digest()
    plan = sending.server.behave(step, answer)
    with pytest.raises(TemporaryFailure):
        sending.duties.send(digest)
    assert sending.state(digest) == (False, None)
    plan.step = None
    sending.duties.send(digest)
    assert [mail["Message-ID"] for mail in plan.received] == [message_id(key_of(digest), SENDER)]
    assert sending.state(digest) == (True, None)


def test_mail_whose_mark_is_lost_is_sent_again_byte_for_byte(
    sending: Sending, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    digest = sending.digest("q=welder&lang=en", "q=ships&lang=en")
    monkeypatch.setattr(duties, "MARK_WAIT_S", 0.0)

    def fails(self: DigestStore, digest_id: int) -> None:
        raise Unavailable("the worker dies, or the database does")

    with monkeypatch.context() as patched:
        patched.setattr(DigestStore, "mark_sent", fails)
        with pytest.raises(Unavailable):
            sending.duties.send(digest)
    sending.duties.send(digest)
    first, second = sending.server.plan.received
    assert first.as_bytes() == second.as_bytes()


def test_mail_that_the_server_refuses_is_dropped(sending: Sending) -> None:
    digest = sending.digest()
    sending.server.behave("RCPT", "550 5.7.1 not from you")
    with pytest.raises(PermanentFailure):
        sending.duties.send(digest)
    sent, dropped = sending.state(digest)
    assert (sent, "550" in str(dropped)) == (False, True)


def test_mail_beyond_the_rate_waits_without_failing(sending: Sending) -> None:
    digest = sending.digest()
    sending.limited = True
    sending.duties.send(digest)
    waiting = "SELECT count(*) FROM procrastinate_jobs WHERE queueing_lock = %s"
    assert sending.database.one(waiting, f"alerts.send:{digest}") == (1,)
    assert (sending.state(digest), sending.server.plan.received) == ((False, None), [])


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ("UPDATE saved_search SET frequency = 'never'", "the alerts were ended"),
        ("DELETE FROM saved_search", "the alerts were ended"),
        ("UPDATE users SET disabled_at = now()", "the account gets no mail"),
        ("INSERT INTO mail_suppression VALUES ('a@alerts.example', 'asked')", "the address gets no mail"),
    ],
)
def test_mail_that_is_no_longer_wanted_is_dropped(sending: Sending, change: str, reason: str) -> None:
    digest = sending.digest()
    sending.database.run(change)
    try:
        sending.duties.send(digest)
    finally:
        sending.database.run("DELETE FROM mail_suppression")
    assert (sending.state(digest), sending.server.plan.received) == ((False, reason), [])


def test_old_digests_are_forgotten_and_what_they_alerted_is_not(sending: Sending) -> None:
    digest = sending.digest()
    sending.database.run("UPDATE digest SET created_at = now() - interval '91 days'")
    sending.duties.forget()
    sending.duties.send(digest)
    assert sending.server.plan.received == []
    assert sending.database.one("SELECT count(*) FROM alert_sent WHERE digest_id = %s", digest) == (1,)
