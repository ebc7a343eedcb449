"""SQL of suggestions: words and names by prefix, the most frequent first."""

from collections.abc import Sequence

from app.infra.postgres.database import Database
from app.jobs.codes.terms import Kind

WORDS = """
SELECT term FROM lexicon WHERE term >= %s AND term < %s || U&'\\FFFF' AND word_df > 0
 ORDER BY word_df DESC, term LIMIT %s
"""

LABELS = """
SELECT label || CASE country WHEN '' THEN '' ELSE ', ' || country END
  FROM term JOIN term_count ON term_count.term = term.id
 WHERE kind = ANY (%s) AND name >= %s AND name < %s || U&'\\FFFF' ORDER BY df DESC, name LIMIT %s
"""

COMPANIES = """
SELECT name FROM companies WHERE closed_at IS NULL AND lower(name) LIKE %s ORDER BY verified DESC, lower(name) LIMIT %s
"""

CORRECTION = """
SELECT term FROM lexicon WHERE term %% %s AND word_df > 0 ORDER BY similarity(term, %s) DESC, word_df DESC LIMIT 1
"""


class SuggestionStore:
    """Counts are some minutes old."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def words(self, begun: str, limit: int) -> list[str]:
        """Words of titles, folded."""
        return [row[0] for row in self._database.all(WORDS, begun, begun, limit)]

    def labels(self, begun: str, kinds: Sequence[Kind], limit: int) -> list[str]:
        """Skills, or places with their countries."""
        return [row[0] for row in self._database.all(LABELS, [int(kind) for kind in kinds], begun, begun, limit)]

    def companies(self, begun: str, limit: int) -> list[str]:
        escaped = begun.lower().replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
        return [row[0] for row in self._database.all(COMPANIES, f"{escaped}%", limit)]

    def correction(self, word: str) -> str | None:
        """The word of titles that is spelled most like it."""
        row = self._database.one(CORRECTION, word, word)
        return None if row is None else str(row[0])
