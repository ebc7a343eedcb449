"""SQL that lists open postings by id."""

from app.infra.postgres.database import Database

LIST_OPEN = """
SELECT id FROM posting WHERE id > %s AND state = 'open' AND valid_through > now() ORDER BY id LIMIT %s
"""

_CHANGED = "to_char({} AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')"

LIST_CHANGED = f"""
SELECT id, {_CHANGED.format("greatest(content_changed_at, published_at)")} FROM posting
 WHERE id > %s AND id <= %s AND state = 'open' AND valid_through > now() ORDER BY id
"""

LIST_RANGES = f"""
SELECT (id - 1) / %s + 1 AS number, {_CHANGED.format("max(greatest(content_changed_at, published_at))")} FROM posting
 WHERE state = 'open' AND valid_through > now() GROUP BY number ORDER BY number
"""

LIST_OF_COMPANY = """
SELECT id FROM posting WHERE company_id = %s AND id < %s AND state = 'open' AND valid_through > now()
 ORDER BY id DESC LIMIT %s
"""

COUNT_OF_COMPANY = """
SELECT count(*) FROM (
       SELECT FROM posting WHERE company_id = %s AND state = 'open' AND valid_through > now() LIMIT %s) found
"""


class ExportStore:
    """Each method is one statement."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def list_open(self, after: int, limit: int) -> list[int]:
        """Ids of open postings above `after`, the lowest first."""
        return [row[0] for row in self._database.all(LIST_OPEN, after, limit)]

    def list_changed(self, after: int, last: int) -> list[tuple[int, str]]:
        """Id and last change (RFC 3339) of the open postings above `after` up to `last`."""
        return [(row[0], row[1]) for row in self._database.all(LIST_CHANGED, after, last)]

    def list_ranges(self, size: int) -> list[tuple[int, str]]:
        """The numbers, from 1, of the ranges of `size` ids with open postings, and the last change in each."""
        return [(row[0], row[1]) for row in self._database.all(LIST_RANGES, size)]

    def list_of_company(self, company_id: int, before: int, limit: int) -> list[int]:
        """Ids of its open postings below `before`, the highest first."""
        return [row[0] for row in self._database.all(LIST_OF_COMPANY, company_id, before, limit)]

    def count_of_company(self, company_id: int, most: int) -> int:
        """The number of its open postings, counted up to `most`."""
        row = self._database.one(COUNT_OF_COMPANY, company_id, most)
        return 0 if row is None else int(row[0])
