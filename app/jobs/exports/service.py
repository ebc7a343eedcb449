"""Reads open postings with their companies from the database itself.

Events can be read as soon as they are committed, a moment before every cache knows of the change.
"""

import time
from collections.abc import Sequence

from app.companies.schemas import CompanyFact
from app.companies.service import CompanyService
from app.jobs.exports.store import ExportStore
from app.jobs.facts import JobFact, job_fact
from app.jobs.store import PostingStore
from app.web.pages import ALWAYS_FIT, fitting

GREATEST_ID = 2**63 - 1
RANGE_PART = 5_000
COUNT_MAX = 10_000

Exported = tuple[JobFact, CompanyFact]


class Exporter:
    """What is open now; nothing comes from caches."""

    def __init__(self, exports: ExportStore, postings: PostingStore, companies: CompanyService) -> None:
        self._exports, self._postings, self._companies = exports, postings, companies

    def open_by_ids(self, job_ids: Sequence[int]) -> dict[int, Exported]:
        """Those that are open, by id."""
        asked_at = time.time()
        rows = self._postings.list_by_ids(job_ids) if job_ids else {}
        facts = {number: job_fact(*found, asked_at) for number, found in rows.items()}
        found = {number: fact for number, fact in facts.items() if fact.found}
        companies = self.companies({fact.posting.company_id for fact in found.values()})
        return {
            number: (fact, companies[fact.posting.company_id])
            for number, fact in found.items()
            if fact.posting.company_id in companies
        }

    def sizes(self, job_ids: Sequence[int]) -> dict[int, int]:
        """The bytes of the texts of each posting; of few postings none, as these fit on a page."""
        return self._postings.sizes(job_ids) if len(job_ids) > ALWAYS_FIT else {}

    def walk(self, after: int, limit: int) -> tuple[list[Exported], int | None]:
        """Open postings with ids above `after`, and the id to go on after, None at the end.

        They are `limit`, or fewer that have long texts.
        """
        return self._page(self._exports.list_open(after, limit), limit)

    def in_range(self, number: int, size: int) -> list[tuple[int, str]]:
        """Id and last change of each open posting with an id in a range, the first of which has the number 1.

        It is read in parts, between which other requests are served.
        """
        last = number * size
        if last > GREATEST_ID:
            return []
        starts = range(last - size, last, RANGE_PART)
        parts = (self._exports.list_changed(start, min(start + RANGE_PART, last)) for start in starts)
        return [each for part in parts for each in part]

    def ranges(self, size: int) -> list[tuple[int, str]]:
        """The numbers of such ranges with open postings, and the last change in each."""
        return self._exports.list_ranges(size)

    def of_company(self, company_id: int, before: int | None, limit: int) -> tuple[list[Exported], int | None]:
        """Its open postings below the id `before`, the highest first, and the id to go on before, as `walk` does."""
        return self._page(self._exports.list_of_company(company_id, before or GREATEST_ID, limit), limit)

    def count_of_company(self, company_id: int) -> int | None:
        """The number of its open postings, None if there are more than COUNT_MAX."""
        found = self._exports.count_of_company(company_id, COUNT_MAX + 1)
        return found if found <= COUNT_MAX else None

    def _page(self, ids: list[int], limit: int) -> tuple[list[Exported], int | None]:
        """The postings of the first ids, as many as fit on a page, and the last of these ids if others follow."""
        sizes = self.sizes(ids)
        shown = ids[: fitting(sizes.get(number, 0) for number in ids)]
        found = self.open_by_ids(shown)
        more = len(ids) == limit or len(shown) < len(ids)
        return [found[number] for number in shown if number in found], shown[-1] if more else None

    def companies(self, company_ids: set[int]) -> dict[int, CompanyFact]:
        """Those that are not closed, by id."""
        return self._companies.fresh_many(sorted(company_ids))
