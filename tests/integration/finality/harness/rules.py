"""The checker: pure functions from a recorded history to its violations.

The rules assume only that an operation that ended before another started took effect first; concurrent operations may
have taken effect in any order.
"""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

from tests.integration.finality.harness.history import (
    BY_SQL,
    ENDS_SESSION,
    ENDS_USER,
    HEARD_NS,
    USES_TOKEN,
    Kind,
    Operation,
    Violation,
)
from tests.pods.faults import Faults

FOREVER = 2**63
HONEST = frozenset({0, 200, 204, 304, 401, 403, 404, 409, 412, 503})


def violations(history: Iterable[Operation], faults: Faults | None = None) -> list[Violation]:
    """All violations in `history`, the earliest first."""
    faults = faults or Faults()
    record = Record(history, faults)
    found = [
        *accepted_after_end(record),
        *refused_without_cause(record),
        *stale_reads(record),
        *lost_updates(record),
        *old_passwords(record),
        *refused_logins(record),
        *dishonest_answers(record),
        *impossible_promises(record, faults),
        *lost_requests(record, faults),
        *writes_of_strangers(record, faults),
    ]
    return sorted(found, key=lambda each: each.operation.start)


class Record:
    """A history with the indices that the rules use."""

    def __init__(self, history: Iterable[Operation], faults: Faults) -> None:
        self._unheard = sorted((*faults.silence, *faults.outages), key=lambda each: each.start)
        self.operations = sorted(history, key=lambda each: each.start)
        self.logins: dict[int, Operation] = {}
        self.user_endings: dict[int, list[Operation]] = defaultdict(list)
        self.session_endings: dict[int, list[Operation]] = defaultdict(list)
        for each in self.operations:
            if each.kind is Kind.LOGIN and each.status == 200 and each.session is not None:
                self.logins[each.session] = each
            elif each.kind in ENDS_USER and each.may_have_acted:
                self.user_endings[each.user].append(each)
            elif each.kind in ENDS_SESSION and each.may_have_acted and (ended := _ended_session(each)) is not None:
                self.session_endings[ended].append(each)
            elif each.kind is Kind.REFRESH and each.repeated and each.session is not None:
                self.session_endings[each.session].append(each)

    def promised_ends(self) -> dict[int, Operation]:
        """session -> the first operation that confirmed its end."""
        ends: dict[int, Operation] = {}
        for session, login in self.logins.items():
            promises = [each for each in self.session_endings[session] if each.promised and _acted(each, self)]
            promises += [each for each in self.user_endings[login.user] if self._promises(each, login)]
            if promises:
                ends[session] = min(promises, key=self.known)
        return ends

    def known(self, ending: Operation) -> int:
        """The time in ns from which every worker must know of a confirmed end: that of its response.

        For SQL, it is 5 s after the commit or after the last overlapping outage of the log or the database.
        """
        if ending.kind not in BY_SQL:
            return ending.end
        calm = ending.end
        for fault in self._unheard:
            if fault.start < calm + HEARD_NS and fault.end > calm:
                calm = fault.end
        return calm + HEARD_NS

    def possible_ends(self, session: int) -> list[Operation]:
        """Operations that may have ended the session, confirmed or not."""
        login = self.logins[session]
        return self.session_endings[session] + [
            each
            for each in self.user_endings[login.user]
            if not _spares(each, session) and not (each.promised and each.end < login.start)
        ]

    def _promises(self, ending: Operation, login: Operation) -> bool:
        return ending.promised and not _spares(ending, login.session) and login.end < ending.start


def accepted_after_end(record: Record) -> Iterator[Violation]:
    """A request that was accepted although it started after the end of its session was confirmed."""
    ends = record.promised_ends()
    for each in record.operations:
        if each.kind in USES_TOKEN and each.accepted and each.session is not None:
            end = ends.get(each.session)
            if end is not None and each.start > record.known(end):
                yield Violation("an ended session was accepted", each, end)


def refused_without_cause(record: Record) -> Iterator[Violation]:
    """A request that was refused although no operation may have ended its session."""
    for each in record.operations:
        if each.kind in USES_TOKEN and each.status == 401 and each.session in record.logins:
            causes = (end for end in record.possible_ends(each.session) if end is not each and end.start < each.end)
            if not (each.repeated or any(causes)):
                yield Violation("a live session was refused", each, record.logins[each.session])


def stale_reads(record: Record) -> Iterator[Violation]:
    """A read of a profile older than a change that was acknowledged before the read started."""
    edits = _edits_by_user(record)
    versions = _versions_by_text(record)
    newest = {user: _newest(changes) for user, changes in edits.items()}
    for each in record.operations:
        if each.kind not in (Kind.READ, Kind.EDIT) or each.status not in (200, 304) or each.subject not in newest:
            continue
        version = each.version if each.version is not None else versions.get(each.text or "")
        ends, latest = newest[each.subject]
        before = bisect_left(ends, each.start)
        if version is not None and before and latest[before - 1].version > version:  # type: ignore[operator]
            yield Violation("a profile older than an acknowledged change was read", each, latest[before - 1])


def lost_updates(record: Record) -> Iterator[Violation]:
    """Two changes with the same version, or a version read with another text than was written."""
    written: dict[tuple[int, int], Operation] = {}
    for changes in _edits_by_user(record).values():
        for each in changes:
            first = written.setdefault((each.user, each.version or 0), each)
            if first is not each:
                yield Violation("two changes were given the same version", each, first)
    for each in record.operations:
        if each.kind is Kind.READ and each.version is not None and each.text is not None:
            change = written.get((each.subject or 0, each.version))
            if change is not None and change.text != each.text:
                yield Violation("a version was read with a text that was never written in it", each, change)


def old_passwords(record: Record) -> Iterator[Violation]:
    """A login with a password that was replaced, or to an account that was deleted, before the login started."""
    replacing = (Kind.PASSWORD, Kind.DELETE, Kind.SQL_DELETE)
    changes = (each for each in record.operations if each.kind in replacing and each.promised)
    replaced = {each.secret: each for each in changes}
    for each in record.operations:
        change = replaced.get(each.secret)
        if each.kind is Kind.LOGIN and each.status == 200 and change is not None and each.start > change.end:
            yield Violation("a replaced password was accepted", each, change)


def refused_logins(record: Record) -> Iterator[Violation]:
    """A login with the current password that was refused although nothing changed the account meanwhile."""
    changes = [each for each in record.operations if each.kind is Kind.PASSWORD]
    replaced = {each.secret: each for each in reversed(changes) if each.may_have_acted}
    made_by = {each.new_secret: each for each in changes}
    for each in record.operations:
        if each.kind is not Kind.LOGIN or each.status != 401:
            continue
        made, gone = made_by.get(each.secret), replaced.get(each.secret)
        established = made is None or (made.promised and made.end < each.start)
        disturbed = any(end.start < each.end and _end(end) > each.start for end in record.user_endings[each.user])
        if established and not disturbed and (gone is None or gone.start > each.end):
            yield Violation("the present password was refused", each)


def dishonest_answers(record: Record) -> Iterator[Violation]:
    """Statuses that no fault explains, such as 500."""
    for each in record.operations:
        if each.status not in HONEST:
            yield Violation(f"the answer was {each.status}", each)


def impossible_promises(record: Record, faults: Faults) -> Iterator[Violation]:
    """An end that was confirmed while the log could not be written."""
    for each in record.operations:
        if each.kind in (ENDS_USER | ENDS_SESSION) - BY_SQL and each.promised and _acted(each, record):
            for silence in faults.silence:
                if silence.start < each.start and each.end < silence.end:
                    yield Violation("an end was promised that could not be published", each)


def lost_requests(record: Record, faults: Faults) -> Iterator[Violation]:
    """A request without a response and without a crash of its pod or, if known, of its worker."""
    last_answer: dict[str, int] = {}
    for each in record.operations:
        if each.answered and each.worker:
            last_answer[each.worker] = max(last_answer.get(each.worker, 0), each.end)
    for each in record.operations:
        if not each.answered:
            crashes = [crash for crash in faults.crashes if crash.pod in ("", each.pod) and crash.start <= each.end]
            if not any(each.start <= crash.end or each.worker for crash in crashes):
                yield Violation("a request was lost and nothing had crashed", each)
            elif each.worker and all(last_answer.get(each.worker, 0) > crash.end for crash in crashes):
                yield Violation("a request was lost by a worker that lived on", each)


def writes_of_strangers(record: Record, faults: Faults) -> Iterator[Violation]:
    """A write that a pod with another log than the database's record answered with a status below 500."""
    for each in record.operations:
        if each.pod in faults.strangers and each.kind is not Kind.READ and each.answered and each.status < 500:
            yield Violation("a pod with another log answered a write", each)


def _ended_session(operation: Operation) -> int | None:
    return operation.target if operation.kind is Kind.END_SESSION else operation.session


def _spares(ending: Operation, session: int | None) -> bool:
    """A password change leaves the session that asked for it alive."""
    return ending.kind is Kind.PASSWORD and ending.session == session


def _end(operation: Operation) -> int:
    """The time after which it has no more effect: its response; never if the response is lost or it is a deletion."""
    certain = operation.answered and operation.status < 500 and operation.kind not in (Kind.DELETE, Kind.SQL_DELETE)
    return operation.end if certain else FOREVER


def _acted(operation: Operation, record: Record) -> bool:
    """Whether the response confirms an end; that of a refused reuse does so only if the session was live."""
    if operation.kind is not Kind.REUSE:
        return operation.kind is not Kind.REFRESH
    earlier = record.possible_ends(operation.session) if operation.session in record.logins else []
    return not any(each is not operation and each.start < operation.end for each in earlier)


def _edits_by_user(record: Record) -> dict[int, list[Operation]]:
    edits: dict[int, list[Operation]] = defaultdict(list)
    for each in record.operations:
        if each.kind is Kind.EDIT and each.status == 200 and each.version is not None:
            edits[each.user].append(each)
    return edits


def _versions_by_text(record: Record) -> dict[str, int]:
    return {
        each.text: each.version
        for each in record.operations
        if each.text and each.version is not None and each.status == 200
    }


def _newest(changes: Sequence[Operation]) -> tuple[list[int], list[Operation]]:
    """The end times of changes in order, and for each the greatest version acknowledged up to then."""
    ends: list[int] = []
    latest: list[Operation] = []
    for each in sorted(changes, key=lambda change: change.end):
        greatest = latest[-1] if latest and (latest[-1].version or 0) > (each.version or 0) else each
        ends.append(each.end)
        latest.append(greatest)
    return ends, latest
