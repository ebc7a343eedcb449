"""Administrative commands of the command line that act on a running service."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from app.auth.schemas import Client
from app.config import Settings
from app.imports.feeding import Progress, feed
from app.imports.schemas import LineReport, Run
from app.infra.metrics.counters import Counters
from app.main import Parts


@contextmanager
def _parts(settings: Settings) -> Iterator[Parts]:
    """Raises Unavailable or ConfigError."""
    parts = Parts(settings, Counters.create([], slots=1))
    try:
        parts.confirm()
        yield parts
    finally:
        parts.close()


_BAR = 40
_SHOWN_EVERY_S = 0.2


def end_sessions(settings: Settings, email: str, command: str) -> None:
    """End every session of an account; the audit log names `command`.

    Raises BadRequest, NotFound, NotFinal, Unavailable or ConfigError.
    """
    with _parts(settings) as parts:
        parts.auth().end_sessions(email, Client(None, command, ""))


def set_admin(settings: Settings, email: str, admin: bool, command: str) -> None:
    """Grant or revoke administration; the audit log names `command`.

    Raises BadRequest, NotFound, Unavailable or ConfigError.
    """
    with _parts(settings) as parts:
        parts.admin().set_admin(email, admin, Client(None, command, ""))


@dataclass(frozen=True, slots=True)
class Feed:
    """A file to import, for the source of a company; `force` closes however many postings it does not have."""

    path: Path
    company: str
    source: str
    force: bool = False


def import_file(settings: Settings, given: Feed) -> Run:
    """Import a file as a full feed, with a bar on the terminal; refused lines are named on standard error.

    Raises NotFound for an unknown slug, or what `feed` does.
    """
    with _parts(settings) as parts:
        company_id = parts.companies.by_slug(given.company).brief.id
        bar = _Bar(given.path.stat().st_size)
        try:
            return feed(parts.imports, (company_id, given.source), given.path, bar.show, force=given.force)
        finally:
            bar.end()


class _Bar:
    """Shows on standard error how far a file is imported, a few times a second, and what was refused."""

    def __init__(self, size: int) -> None:
        self._size, self._began, self._shown_at = size, time.monotonic(), 0.0
        self._last, self._named = Progress(), 0

    def show(self, progress: Progress) -> None:
        self._last = progress
        for each in progress.refused[self._named :]:
            sys.stderr.write(f"\r{_refusal(each)}\n")
        self._named = len(progress.refused)
        if time.monotonic() - self._shown_at > _SHOWN_EVERY_S:
            self._shown_at = time.monotonic()
            self._draw()

    def end(self) -> None:
        if self._last.lines:
            self._draw()
            sys.stderr.write("\n")
        if (more := self._last.outcomes["refused"] - self._named) > 0:
            sys.stderr.write(f"{more:,} more lines were refused\n")

    def _draw(self) -> None:
        filled = min(_BAR * self._last.bytes_read // max(self._size, 1), _BAR)
        rate = self._last.lines / max(time.monotonic() - self._began, 0.001)
        text = f"[{'#' * filled}{'.' * (_BAR - filled)}] {self._last.lines:,} lines, {rate:,.0f} a second"
        sys.stderr.write(f"\r{text}")
        sys.stderr.flush()


def _refusal(report: LineReport) -> str:
    problems = "; ".join(f"{each.field or 'line'}: {each.message}" for each in report.errors)
    return f"line {report.line} ({report.external_id or 'no external_id'}) is refused: {problems}"
