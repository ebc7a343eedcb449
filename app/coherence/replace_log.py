"""Changes which change log the database is used with.

Three steps, so that no process answers 204 to a logout while another one still accepts the token:

1. In one transaction the change is noted in the database and published on the former log, as a change of `LOG_KEY`,
   and every lease from that log is waited for. Workers that hear of it ask the database, and wait for the commit.
2. From the commit on no process uses a log: every request asks PostgreSQL, and a write only waits for what realtime
   processes have found there before its commit (`publisher.py`).
   Processes with the former log, with the following one and with none work beside each other, as a rollout needs it.
3. Once no process with another log has been alive for some seconds, one with the following log completes the change
   (`Agreement.renew`). From then on that log is used, with a new counter, so that older facts are unusable. A
   process with another one refuses to write.
"""

from collections.abc import Callable

from app.coherence.clock import SYSTEM_CLOCK, Clock
from app.coherence.log.agreement import LOG_KEY
from app.coherence.log.change_log import ChangeLog
from app.coherence.log.lease import LEASE_MAX_MS
from app.coherence.log.store import NO_LOG, LogRecord, Recorded
from app.coherence.publisher import SLACK_MS
from app.config import DatabaseTuning
from app.errors import Unavailable
from app.infra.memcache.client import CacheUnavailable, Server
from app.infra.postgres.database import Database

LOST_S = 10.0
ATTEMPTS = 6
PAUSE_S = 0.5
LOG_TIMEOUT_S = 1.0
_ONE_CONNECTION = DatabaseTuning(pool_min=1, pool_max=1, acquire_timeout_ms=1000)
OpenLog = Callable[[str], ChangeLog]


def replace_log(
    record: LogRecord, to: str, open_log: OpenLog, *, lost: bool = False, clock: Clock = SYSTEM_CLOCK
) -> str:
    """Begin a change to the log `to`; returns what was done, in words.

    `open_log` gives the log of an address. Raises Unavailable, with nothing changed, where the former log does not
    answer, unless that is `lost`: then nobody acts upon the change before every worker has asked the database.
    """
    with record.changing() as change:
        present = change.present
        if present.identity is None:
            change.record(to)
            return f"the log of changes is {to}"
        if to == (present.following or present.identity):
            return f"the log of changes is {to} already" + (
                ", once the change is complete" if present.following else ""
            )
        change.begin(to, LOST_S if lost else 0.0)
        if present.following is None and present.identity != NO_LOG and not lost:
            _end_leases(present, open_log, clock)
    return f"the log of changes: {present.identity}, and {to} once no process has another one; until then none is used"


def _end_leases(present: Recorded, open_log: OpenLog, clock: Clock) -> None:
    former = open_log(str(present.identity)).counted_by(present.counter)
    for attempt in range(ATTEMPTS):
        try:
            former.enter(former.take(1), [LOG_KEY])
            break
        except CacheUnavailable as error:
            if attempt == ATTEMPTS - 1:
                raise Unavailable(
                    f"the former log of changes, {present.identity}, cannot be told: {error}. "
                    "Where that server has ended for good, with all that it held, say so: --lost"
                ) from error
        clock.sleep(PAUSE_S)
    clock.sleep((LEASE_MAX_MS + SLACK_MS) / 1000)


def change_log_of(url: str, identity: str | None, *, lost: bool = False) -> str:
    """Change the log of changes of the database at `url`, or show it if `identity` is None; returns a message."""
    database = Database(url, _ONE_CONNECTION, prepared=False)
    try:
        record = LogRecord(database)
        if identity is None:
            return record.shown()
        return replace_log(record, identity, lambda address: ChangeLog(Server(address, LOG_TIMEOUT_S)), lost=lost)
    finally:
        database.close()


def adopt_log(url: str, identity: str, *, alone: bool) -> None:
    """Set the log of changes of a development database to `identity`, whatever it was before.

    `alone` says that no other process uses the database; else the change follows the same steps as in production.
    """
    database = Database(url, _ONE_CONNECTION, prepared=False)
    try:
        if alone:
            LogRecord(database).replace(identity)
            return
    finally:
        database.close()
    try:
        change_log_of(url, identity)
    except Unavailable:
        change_log_of(url, identity, lost=True)
