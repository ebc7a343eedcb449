"""Whether this worker and the database agree on the change log (or on having none); required for leases and writes.

A logout is final because every process hears of it on one log. Which one is recorded in the database, by the address
of memcached server 0 or as `none`. That a worker has agreed is a fact like any other: it held at a position of the log
and may be relied on while the history reaches back to it and names no change of `LOG_KEY` (`lease.py`). Whoever changes
the record publishes that key on the former log before the commit, and asking waits for a change that is under way
(`replace_log.py`), so that no worker has a lease from a log that is no longer the one of the database. Whoever only
writes is told by the statement that deletes outbox rows, which does so only under the counter that the worker has
agreed to.
"""

import logging
from dataclasses import dataclass

from app.coherence.log.change_log import ChangeLog
from app.coherence.log.store import LogRecord, Recorded
from app.errors import WrongLog

LOG_KEY = "log"
QUIET_S = 15.0
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Terms:
    """What was agreed: the counter, new with each step of a change, and its log; None when no log is used."""

    counter: str
    log: ChangeLog | None
    changing: bool


class Agreement:
    """`terms` is None before the database is first asked and while it uses another log; `reason` then says which."""

    def __init__(self, own: str, change_log: ChangeLog | None, record: LogRecord) -> None:
        self.own, self.log, self._record = own, change_log, record
        self.terms: Terms | None = None
        self.reason = ""

    @property
    def leads_to_log(self) -> bool:
        """Whether a look may be tried: the log is agreed upon, or the database has not been asked yet."""
        terms = self.terms
        return self.log is not None and (terms.log is not None if terms is not None else not self.reason)

    @property
    def refused(self) -> bool:
        """Whether the database was last known to be used with another log."""
        return self.terms is None and bool(self.reason)

    @property
    def changing(self) -> bool:
        """Whether the log is being changed; no process uses a log meanwhile."""
        return self.terms is not None and self.terms.changing

    def objection(self) -> str:
        """Why this worker refuses to write; empty when it does not or the database has not been asked yet."""
        return self.reason

    def require(self) -> Terms:
        """The agreed terms. Raises Unavailable, or WrongLog (without asking the database if that is known already)."""
        terms = self.terms
        if terms is None and not self.reason:
            try:
                return self.ask()
            except WrongLog:
                terms = None
        if terms is None:
            raise WrongLog("this process is set up for another log of changes than the database")
        return terms

    def ask(self) -> Terms:
        """Ask the database for the terms. Raises WrongLog with the reason, or Unavailable."""
        found = self._record.confirm(self.own)
        reason = self._objection(found)
        if reason:
            if reason != self.reason:
                log.error("refusing to write: %s", reason)
            self.reason, self.terms = reason, None
            raise WrongLog(reason)
        if self.reason:
            log.warning("the log of changes is agreed upon with the database: %s", self.own)
        changing = found.following is not None
        used = self.log.counted_by(found.counter) if self.log is not None and not changing else None
        terms = Terms(found.counter, used, changing)
        self.terms, self.reason = terms, ""
        return terms

    def renew(self) -> Terms:
        """Update the terms, and take part in a change of the log. Raises WrongLog or Unavailable."""
        terms = self.terms
        if terms is None or terms.counter != self._record.counter():
            terms = self.ask()
        if terms.changing:
            self._record.note_use(self.own)
            self._record.complete_change(self.own, QUIET_S)
        return terms

    def _objection(self, found: Recorded) -> str:
        """Why this worker cannot agree; empty where it can."""
        if not found.in_force:
            return f"the log of changes is being changed to {found.following}; that is in force in some seconds"
        if found.following is None and found.identity != self.own:
            return (
                f"this process has the log of changes {self.own} (server 0 of MEMCACHED_SERVERS), and the database is "
                f"used with {found.identity}; to change that: python -m app log-identity {self.own}"
            )
        return ""
