"""A mail server as a process that can be killed and paused: it notes each mail that it takes in a file.

`python -m tests.chaos.mail_server PORT FILE` runs it. While `FILE.full` exists, it refuses contents as a server does
whose disk is full.
"""

import json
import signal
import socket
import sys
from email.message import EmailMessage
from pathlib import Path
from typing import TYPE_CHECKING, Any

from app.local.postgres import free_port
from app.local.process import Command, Server
from tests.smtp import Fault, SmtpServer, Taken

if TYPE_CHECKING:
    Mails = list[Taken]
else:
    Mails = list

CHECKOUT = Path(__file__).resolve().parents[2]
FULL: Fault = ("content", "452 4.3.1 Insufficient system storage")


class Noted(Mails):
    """Appends each mail to a file, before the sender is told that it was taken."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._file = path.open("a", buffering=1)

    def append(self, taken: Taken) -> None:
        """One line: the time of the monotonic clock, the Message-ID, the recipient and the words of the text."""
        mail = taken.mail
        line = [taken.at, str(mail["Message-ID"]), str(mail["To"]), _text(mail)]
        self._file.write(json.dumps(line) + "\n")


class MailServer(Server):
    """Takes mails on a port that stays the same; `taken` are those of all its lives."""

    name = "the mail server"

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.port, self._path = free_port(), folder / "mails"
        self._full = self._path.with_suffix(".full")
        self._log = folder / "mail.log"
        self._read = 0
        self._mails: list[tuple[float, str, str, str]] = []
        self._path.touch()

    def fill_disk(self) -> None:
        self._full.touch()

    def free_disk(self) -> None:
        self._full.unlink()

    def taken(self) -> list[tuple[float, str, str, str]]:
        """(time, Message-ID, recipient, text) of each mail, in the order in which they came."""
        with self._path.open() as file:
            file.seek(self._read)
            lines = file.read().splitlines(keepends=True)
        for line in lines:
            if line.endswith("\n"):
                self._read += len(line.encode())
                at, name, to, text = json.loads(line)
                self._mails.append((at, name, to, text))
        return self._mails

    def _command(self) -> Command:
        arguments: list[str | Path] = [sys.executable, "-m", "tests.chaos.mail_server", str(self.port), self._path]
        return Command(arguments, log=self._log, folder=CHECKOUT)

    def _answers(self) -> bool:
        try:
            with socket.create_connection(("localhost", self.port), 2) as connection:
                return connection.recv(3) == b"220"
        except OSError:
            return False


def _text(mail: EmailMessage) -> str:
    part = mail.get_body(("plain",))
    return str(part.get_content()) if part is not None else ""


def main(port: int, path: Path) -> None:
    """Run until killed."""
    full = path.with_suffix(".full")
    server: Any = SmtpServer()
    server.port = port
    server.plan.taken = Noted(path)
    server.plan.draw = lambda: FULL if full.exists() else None
    with server:
        signal.pause()


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]))
