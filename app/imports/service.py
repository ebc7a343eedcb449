"""Rules of imports: each line stands for itself, and a repeated line changes nothing."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from msgspec.structs import replace

from app.coherence import Coherence
from app.errors import Conflict, FieldError, Invalid, Unavailable
from app.imports import store
from app.imports.lines import Line, hash_of, read_line
from app.imports.schemas import LineReport, Outcome
from app.imports.store import EXTENDED_WITHIN_DAYS, ImportStore, Known, Origin
from app.infra.postgres.database import Transaction
from app.jobs.bulk.service import Bulk, BulkWriter
from app.jobs.content import new_posting
from app.jobs.schemas import JobContent, Posting
from app.web.errors import FieldProblem

CHUNK = 250
"""Lines that are written in one transaction, which is short even where each goes into the index at once."""

_ATTEMPTS = 3
log = logging.getLogger(__name__)


class _Stale(Exception):
    """Another writer has changed one of the postings meanwhile."""


@dataclass(frozen=True, slots=True)
class _Planned:
    """A line that is to be written; `before` is None for a new posting."""

    line: Line
    before: Posting | None
    after: Posting
    dated: bool


@dataclass
class _Chunk:
    """Reports by number of the line, and what is to be written."""

    reports: dict[int, LineReport] = field(default_factory=dict)
    planned: list[_Planned] = field(default_factory=list)
    versions: dict[int, int] = field(default_factory=dict)


class Importer:
    """Writes lines of one source of a company."""

    def __init__(self, imports: ImportStore, writer: BulkWriter, coherence: Coherence) -> None:
        self._store, self._writer, self._coherence = imports, writer, coherence

    def write(self, company_id: int, source: str, lines: Sequence[Line], chunk: int = CHUNK) -> list[LineReport]:
        """A report of each line, in their order; each chunk of lines is one transaction and one publication.

        Raises NotFound if the company is closed, or NotFinal if lines are stored but not yet known to every worker.
        """
        reports = []
        for first in range(0, len(lines), chunk):
            reports += self._write_chunk(company_id, source, lines[first : first + chunk])
        return reports

    def put(self, company_id: int, source: str, external_id: str, content: JobContent, raw: bytes) -> LineReport:
        """Write one posting; raises Invalid, or what `write` does."""
        line = Line(1, external_id, hash_of(raw), raw)
        [report] = self._write_chunk(company_id, source, [line], content)
        if report.status == "refused":
            raise Invalid([FieldError(each.field, each.code, each.message) for each in report.errors])
        return report

    def _write_chunk(
        self, company_id: int, source: str, lines: Sequence[Line], content: JobContent | None = None
    ) -> list[LineReport]:
        for _ in range(_ATTEMPTS):
            chunk = self._plan(company_id, source, lines, content)
            try:
                self._apply(company_id, source, chunk)
            except (_Stale, Conflict):
                continue
            return [chunk.reports[line.number] for line in lines]
        raise Unavailable("others change the same postings; repeat the request")

    def _plan(
        self, company_id: int, source: str, lines: Sequence[Line], content: JobContent | None
    ) -> _Chunk:  # fmt: skip
        """Read the lines that are new or differ from those that were imported before."""
        named = {line.external_id: line for line in lines if line.names}
        known = self._store.list_known(company_id, source, list(named), [line.hash for line in named.values()])
        seen: set[str] = set()
        chunk, todo = _Chunk(), []
        for line in lines:
            found = known.get(line.external_id)
            if line.external_id in seen:
                chunk.reports[line.number] = _refused(line, found, [_DUPLICATE])
            elif found is not None and found.same:
                chunk.reports[line.number] = _report(line, "unchanged", found.posting_id)
            else:
                todo.append((line, found))
            seen |= {line.external_id} if line.external_id else set()
        befores = self._writer.find_many([found.posting_id for _, found in todo if found is not None])
        for line, found in todo:
            self._plan_line((company_id, source), line, found, befores, chunk, content)
        return chunk

    def _plan_line(
        self, of: tuple[int, str], line: Line, found: Known | None, befores: dict[int, Posting], chunk: _Chunk,
        content: JobContent | None,
    ) -> None:  # fmt: skip
        company_id, source = of
        before = befores.get(found.posting_id) if found else None
        try:
            said = content or read_line(line.raw)
            after, dated = _written(company_id, (source, line.external_id), said, before)
        except Invalid as error:
            chunk.reports[line.number] = _refused(line, found, error.fields)
            return
        if before is not None and _same(before, after):
            chunk.reports[line.number] = _report(line, "unchanged", before.id)
            return
        chunk.planned.append(_Planned(line, before, after, dated))
        if before is not None:
            chunk.versions[before.id] = before.version

    def _apply(self, company_id: int, source: str, chunk: _Chunk) -> None:
        """Write what is planned, and add its reports."""
        if not chunk.planned:
            if keys := self._store.unpublished(company_id):  # an earlier attempt has stored it and is not yet final
                self._coherence.final(keys, None, security=True)
            return
        new = [each for each in chunk.planned if each.before is None]
        old = [(each, each.before) for each in chunk.planned if each.before is not None]

        def within(transaction: Transaction, ids: Sequence[int]) -> None:
            if store.versions(transaction, list(chunk.versions)) != chunk.versions:
                raise _Stale
            added = [_origin(each, number) for each, number in zip(new, ids, strict=False)]
            if not store.write_origins(
                transaction, company_id, source, added, [_origin(each, before.id) for each, before in old]
            ):
                raise _Stale

        bulk = Bulk(company_id, [each.after for each in new], [(before, each.after) for each, before in old])
        ids = self._writer.write(bulk, within)
        for each, number in zip(new, ids, strict=True):
            chunk.reports[each.line.number] = _report(each.line, "created", number)
        for each, before in old:
            chunk.reports[each.line.number] = _report(each.line, "changed", before.id)


_DUPLICATE = FieldError("external_id", "duplicate", "an earlier line has the same external_id")


def _written(
    company_id: int, named: tuple[str, str], said: JobContent, before: Posting | None
) -> tuple[Posting, bool]:  # fmt: skip
    """The posting after the line, open, and whether the line says until when; raises Invalid."""
    now = datetime.now(UTC)
    dated = said.valid_through is not None
    made = new_posting(company_id, said, now)
    detail = replace(made.detail, source=named[0], external_id=named[1])
    if before is None:
        return replace(made, state="open", detail=detail, published_at=now), dated
    if before.taken_down is not None:
        raise Invalid([FieldError("", "taken_down", f"an administrator has taken it down: {before.taken_down.reason}")])
    until = made.valid_through
    if not dated and before.valid_through > now + timedelta(days=EXTENDED_WITHIN_DAYS):
        until = before.valid_through
    after = replace(
        before, state="open", title=made.title, description=made.description, detail=detail, valid_through=until
    )
    return replace(after, published_at=before.published_at or now), dated


def _same(before: Posting, after: Posting) -> bool:
    return before == after and before.valid_through > datetime.now(UTC)


def _origin(planned: _Planned, posting_id: int) -> Origin:
    return Origin(planned.line.external_id, posting_id, planned.line.hash, planned.dated)


def _report(line: Line, status: Outcome, posting_id: int) -> LineReport:
    return LineReport(line.number, status, line.external_id, posting_id)


def _refused(line: Line, found: Known | None, errors: Sequence[FieldError]) -> LineReport:
    problems = tuple(FieldProblem(each.field, each.code, each.message, each.did_you_mean or "") for each in errors)
    return LineReport(line.number, "refused", line.external_id, found.posting_id if found else 0, problems)
