"""Full feeds: a run names everything that a source has, and its commit closes the rest."""

from collections.abc import Sequence

from app.errors import Conflict, NotFound
from app.imports.lines import Line
from app.imports.schemas import LineReport, Run
from app.imports.service import CHUNK, Importer
from app.imports.store import SILENT_S, ImportStore
from app.infra.postgres.database import Transaction
from app.jobs.bulk.service import Bulk, BulkWriter

CLOSED_SHARE_MAX = 0.3
"""The share of a source's open postings that a commit closes without being told to."""

_UNDER_WAY, _OUTCOMES = ("open", "committing"), ("created", "changed", "unchanged", "refused")


class RunUnderWay(Conflict):
    """Another run of the source is under way."""

    code, title = "run_under_way", "Another run of this source is under way"

    def __init__(self, run: Run) -> None:
        lines = run.created + run.changed + run.unchanged + run.refused
        super().__init__(
            f"run {run.id} has been {run.state} since {run.started_at:%Y-%m-%dT%H:%M:%SZ} and has {lines} lines, "
            f"the last ones at {run.active_at:%Y-%m-%dT%H:%M:%SZ}: commit it or delete it"
        )


class RunOver(Conflict):
    """The run takes no more lines."""

    code, title = "run_over", "The run is over"


class MassClose(Conflict):
    """The commit would close more than CLOSED_SHARE_MAX of the source's open postings."""

    code, title = "mass_close", "The commit would close many postings"


def _nothing(transaction: Transaction, ids: Sequence[int]) -> None:
    """Postings that end keep their origin."""


class FeedRuns:
    """Runs of feeds; the caller has checked that the user acts for the company."""

    def __init__(self, imports: ImportStore, importer: Importer, writer: BulkWriter) -> None:
        self._store, self._importer, self._writer = imports, importer, writer

    def start(self, company_id: int, source: str, silent_s: int = SILENT_S) -> Run:
        """A new run, abandoned after `silent_s` seconds without lines or `ImportStore.renew`.

        Raises RunUnderWay unless the one before is over or abandoned.
        """
        started = self._store.start(company_id, source, silent_s)
        if started is None:
            other = self._store.under_way(company_id, source)
            if other is not None:
                raise RunUnderWay(other)
            started = self._store.start(company_id, source, silent_s)
        if started is None:
            raise RunOver("it has ended at this moment; repeat the request")
        return started

    def find(self, company_id: int, source: str, run_id: int) -> Run:
        """Raises NotFound."""
        found = self._store.find(company_id, source, run_id)
        if found is None:
            raise NotFound("there is no such run")
        return found

    def add(
        self, company_id: int, source: str, run_id: int, lines: Sequence[Line], chunk: int = CHUNK
    ) -> list[LineReport]:
        """Import lines of a run; the same lines may be sent again. Raises RunOver, or what `Importer.write` does."""
        if (run := self.find(company_id, source, run_id)).state != "open":
            raise RunOver(f"it is {run.state}")
        reports = self._importer.write(company_id, source, lines, chunk)
        counts = [sum(each.status == outcome for each in reports) for outcome in _OUTCOMES]
        unnamed = sum(not line.external_id for line in lines)
        named = sorted({each.id for each in reports if each.id})
        if not self._store.add_part(run_id, [*counts, unnamed], named):
            raise RunOver("it has ended meanwhile; the lines are imported")
        return reports

    def commit(self, company_id: int, source: str, run_id: int, *, force: bool = False, chunk: int = CHUNK) -> Run:
        """Close what the run did not name, and end it; repeated, it goes on where it stopped.

        Raises MassClose, after which the run goes on, RunOver for a run that was ended otherwise, or NotFinal.
        """
        run = self.find(company_id, source, run_id)
        if run.state == "committed":
            return run
        moved = self._store.move(company_id, source, run_id, "committing", _UNDER_WAY)
        if moved is None:
            raise RunOver(f"it is {run.state}")
        closing = [] if moved.unnamed and not force else self._store.list_unnamed(company_id, source, run_id)
        self._guard(moved, company_id, closing, force)
        for first in range(0, len(closing), chunk):
            part = closing[first : first + chunk]
            self._writer.write(Bulk(company_id, ended=part), _nothing)
            self._store.count_closed(run_id, len(part))
        done = self._store.move(company_id, source, run_id, "committed", ("committing",))
        return done or self.find(company_id, source, run_id)

    def end(self, company_id: int, source: str, run_id: int) -> None:
        """End a run without closing anything; its lines stay imported. Raises NotFound or RunOver."""
        run = self.find(company_id, source, run_id)
        if run.state != "ended" and self._store.move(company_id, source, run_id, "ended", _UNDER_WAY) is None:
            raise RunOver(f"it is {run.state}")

    def _guard(self, run: Run, company_id: int, closing: Sequence[int], force: bool) -> None:
        if force or not closing:
            return
        present = self._store.count_open(company_id, run.source)
        if len(closing) <= CLOSED_SHARE_MAX * present:
            return
        self._store.move(company_id, run.source, run.id, "open", ("committing",))
        raise MassClose(
            f"it would close {len(closing)} of {present} open postings of the source; "
            "if that is meant, commit with force=true"
        )
