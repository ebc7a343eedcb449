"""SQL that lets the index of words collect new entries while many postings are written."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from app.infra.postgres.database import Database

# Only its owner can have the index collect new entries, and merge them at times: for others each is put in at once.
_OWNED = """
DO $$ BEGIN
    ALTER INDEX IF EXISTS posting_words SET (fastupdate = {});
EXCEPTION WHEN insufficient_privilege THEN
    NULL;
END $$
"""
COLLECT_WORDS, INDEX_AT_ONCE = _OWNED.format("on"), _OWNED.format("off")

COLLECTS_WORDS = """
SELECT FROM pg_class WHERE oid = to_regclass('posting_words') AND 'fastupdate=on' = ANY (reloptions)
"""

MERGE_WORDS = """
SELECT gin_clean_pending_list(oid)
  FROM pg_class WHERE oid = to_regclass('posting_words') AND pg_has_role(relowner, 'USAGE')
"""

MEMORY_TO_MERGE = """
SELECT set_config('statement_timeout', '60s', true), set_config('maintenance_work_mem', '256MB', true)
"""


class WordIndex:
    """The index of words and terms of postings."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @contextmanager
    def collecting(self) -> Iterator[Callable[[], None]]:
        """The index collects new entries meanwhile; the function that this gives, to be called often, merges them."""
        self._database.run(COLLECT_WORDS)
        try:
            yield self._merge_and_go_on
        finally:
            self.stop_collecting()

    def _merge_and_go_on(self) -> None:
        """Collect again if it was stopped: by another process that has ended, or as no run of an import is known."""
        self.merge()
        if not self.collects():
            self._database.run(COLLECT_WORDS)

    def collects(self) -> bool:
        """Whether new entries are collected, also by a process that was killed meanwhile."""
        return self._database.one(COLLECTS_WORDS) is not None

    def stop_collecting(self) -> None:
        """New entries go into the index at once, and those that were collected, too."""
        self._database.run(INDEX_AT_ONCE)
        self.merge()

    def merge(self) -> None:
        """Put what was collected into the index."""
        with self._database.transaction() as transaction:
            transaction.one(MEMORY_TO_MERGE)
            transaction.one(MERGE_WORDS)
