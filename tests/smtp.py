"""A real SMTP server for tests, which refuses, delays or drops at a chosen step of the dialogue."""

import asyncio
import ssl
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import SMTP as POLICY
from types import TracebackType
from typing import Any, Literal, Self, cast

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from app.local.process import becomes_true

Step = Literal["connect", "EHLO", "STARTTLS", "AUTH", "MAIL", "RCPT", "DATA", "content", "answer", "QUIT"]
STEPS: tuple[Step, ...] = ("connect", "EHLO", "STARTTLS", "AUTH", "MAIL", "RCPT", "DATA", "content", "QUIT")
USER, SECRET = "jobs", "correct horse"


Fault = tuple[Step, str]


@dataclass(frozen=True)
class Taken:
    """A mail that was received at a time of the monotonic clock, and whether the client was told so."""

    mail: EmailMessage
    at: float
    answered: bool


@dataclass
class Behaviour:
    """What happens at `step`: an answer such as `451 later`, `delay` (no answer) or `drop` (connection closed).

    The step `answer` comes after the content was received. `draw` chooses the fault of each connection instead.
    """

    step: Step | None = None
    answer: str = ""
    draw: Callable[[], Fault | None] | None = None
    taken: list[Taken] = field(default_factory=list)
    received: list[EmailMessage] = field(default_factory=list)
    envelopes: list[tuple[str, list[str]]] = field(default_factory=list)
    connections: int = 0


class _Dialogue(SMTP):
    """aiosmtpd's server with the behaviour of `plan`."""

    def __init__(self, plan: Behaviour, **options: Any) -> None:
        self._plan = plan
        self._drawn = plan.draw() if plan.draw is not None else None
        super().__init__(_Sink(plan), **options)

    def fault(self, step: Step) -> str:
        """What happens at the step, empty if nothing does."""
        drawn = self._drawn or ((self._plan.step, self._plan.answer) if self._plan.step else None)
        return drawn[1] if drawn is not None and drawn[0] == step else ""

    async def _misbehaves(self, step: Step) -> bool:
        """Whether the step has been answered, or never will be."""
        answer = self.fault(step)
        if answer == "drop":
            cast("asyncio.Transport", self.transport).abort()
        elif answer == "delay":
            await asyncio.Event().wait()
        elif answer:
            await self.push(answer)
        return bool(answer)

    async def _handle_client(self) -> None:
        self._plan.connections += 1
        if not (self.session and self.session.ssl) and await self._misbehaves("connect"):
            return
        await super()._handle_client()

    async def smtp_EHLO(self, arg: str) -> None:  # noqa: N802
        if not await self._misbehaves("EHLO"):
            await super().smtp_EHLO(arg)

    async def smtp_HELO(self, arg: str) -> None:  # noqa: N802
        if not await self._misbehaves("EHLO"):
            await super().smtp_HELO(arg)

    async def smtp_STARTTLS(self, arg: str) -> None:  # noqa: N802
        if not await self._misbehaves("STARTTLS"):
            await super().smtp_STARTTLS(arg)

    async def smtp_AUTH(self, arg: str) -> None:  # noqa: N802
        if not await self._misbehaves("AUTH"):
            await super().smtp_AUTH(arg)

    async def smtp_MAIL(self, arg: str | None) -> None:  # noqa: N802
        if not await self._misbehaves("MAIL"):
            await super().smtp_MAIL(arg)

    async def smtp_RCPT(self, arg: str | None) -> None:  # noqa: N802
        if not await self._misbehaves("RCPT"):
            await super().smtp_RCPT(arg)

    async def smtp_DATA(self, arg: str) -> None:  # noqa: N802
        if not await self._misbehaves("DATA"):
            await super().smtp_DATA(arg)

    async def smtp_QUIT(self, arg: str) -> None:  # noqa: N802
        if not await self._misbehaves("QUIT"):
            await super().smtp_QUIT(arg)


class _Sink:
    """Keeps what was received."""

    def __init__(self, plan: Behaviour) -> None:
        self._plan = plan

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        if await server._misbehaves("content"):  # type: ignore[attr-defined]
            return "451 answered already"
        content = cast(bytes, envelope.content)
        mail, answered = message_from_bytes(content, policy=POLICY), not server.fault("answer")  # type: ignore[attr-defined]
        self._plan.received.append(mail)
        self._plan.taken.append(Taken(mail, time.monotonic(), answered))
        self._plan.envelopes.append((envelope.mail_from or "", list(envelope.rcpt_tos)))
        if await server._misbehaves("answer"):  # type: ignore[attr-defined]
            return "451 answered already"
        return "250 taken"


def _knows(server: SMTP, session: Session, envelope: Envelope, mechanism: str, given: Any) -> AuthResult:
    right = isinstance(given, LoginPassword) and (given.login, given.password) == (USER.encode(), SECRET.encode())
    return AuthResult(success=right)


class SmtpServer:
    """Listens on a free port of `localhost`; `tls` offers STARTTLS, or encrypts from the beginning if `implicit`."""

    def __init__(self, tls: ssl.SSLContext | None = None, *, implicit: bool = False, login: bool = False) -> None:
        self.plan, self.port = Behaviour(), 0
        self._tls = tls if implicit else None
        self._options: dict[str, Any] = {"hostname": "mail.test"}
        if tls is not None and not implicit:
            self._options |= {"tls_context": tls, "require_starttls": True}
        if login:
            self._options |= {"authenticator": _knows, "auth_required": True, "auth_require_tls": not implicit}
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result(30)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result(30)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    @property
    def url(self) -> str:
        return f"smtp://localhost:{self.port}?starttls=never"

    def behave(self, step: Step | None = None, answer: str = "") -> Behaviour:
        """Forget what was received, and misbehave at `step` from now on."""
        self.plan.step, self.plan.answer, self.plan.connections = step, answer, 0
        self.plan.received.clear()
        self.plan.envelopes.clear()
        return self.plan

    def wait_for(self, mails: int) -> list[EmailMessage]:
        """All mails received, once they are as many."""
        assert becomes_true(lambda: len(self.plan.received) >= mails, 30.0), "the mail does not arrive"
        return self.plan.received

    def refuse(self, refusing: bool) -> None:
        """Refuse connections, or take them again on the same port."""
        asyncio.run_coroutine_threadsafe(self._refuse(refusing), self._loop).result(30)

    async def _refuse(self, refusing: bool) -> None:
        if refusing:
            self._server.close()
        elif not self._server.is_serving():
            await self._listen()

    async def _end(self) -> None:
        """Also ends dialogues that are under way; the interpreter would log them as lost tasks during a later test."""
        self._server.close()
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _listen(self) -> None:
        self._server = await self._loop.create_server(
            lambda: _Dialogue(self.plan, loop=self._loop, **self._options), "127.0.0.1", self.port, ssl=self._tls
        )
        self.port = self._server.sockets[0].getsockname()[1]
