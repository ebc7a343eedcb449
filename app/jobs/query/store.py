"""SQL of searches, built from the conditions of a query and its plan."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Protocol

from app.jobs.codes.terms import Kind, bounds
from app.jobs.codes.vocabulary import CONFIGURATIONS
from app.jobs.query.compiled import Name, Query
from app.jobs.query.conditions.store import Part, besides_words, conditions, formed, joined, tiers, title_tells
from app.jobs.query.pages.store import (
    Branch,
    Key,
    Page,
    Row,
    left_s,
    limited,
    matches,
    matching,
    newest,
    order_of,
    row_of,
    selects,
    short,
    way_of,
)
from app.jobs.query.plan import (
    Counts,
    Estimate,
    Form,
    estimated,
    form_for,
    in_titles,
    lexemes_of,
    postings_with,
    sampled_since,
    terms_of,
    walks_to,
)

STEMS = "SELECT word, ts_lexize(%s::regdictionary, word) FROM unnest(%s::text[]) AS word"

COUNTS = """
SELECT 'text', term, df, title_df FROM lexicon WHERE term = ANY (%s)
UNION ALL
SELECT 'text', prefix || '*', sum(df), sum(title_df)
  FROM unnest(%s::text[]) AS prefix JOIN lexicon ON term >= prefix AND term < prefix || U&'\\FFFF' GROUP BY prefix
UNION ALL
SELECT 'term', term::text, df, 0 FROM term_count WHERE term = ANY (%s)
"""

BASIS = """
SELECT term, df FROM term_count WHERE term = 0 OR term BETWEEN %s AND %s
"""

NUMBERS = """
SELECT kind, name, id, country FROM term WHERE (kind, name) IN (SELECT * FROM unnest(%s::int[], %s::text[]))
"""

# A near-duplicate that is not shown itself is found as the one of its cluster that is shown.
HELD = """
SELECT id, {} FROM posting WHERE shown AND id IN (%s, (
       SELECT leader.id FROM posting asked JOIN posting leader ON leader.cluster_id = asked.cluster_id
        WHERE asked.id = %s AND NOT asked.shown AND leader.shown AND NOT leader.strayed))
"""

# A cluster shows one posting, and each one that has become another by an edit. OFFSET 0: the clusters are few.
HOLDING = """
SELECT DISTINCT ON (cluster_id) cluster_id, id FROM (
       SELECT * FROM posting WHERE state = 'open' AND shown AND cluster_id = ANY (%s) OFFSET 0) AS p
 WHERE {} ORDER BY cluster_id, id
"""

CORRECTIONS = """
SELECT word, (SELECT term FROM lexicon
               WHERE term %% word AND word_df >= GREATEST(1, 100 * COALESCE(own.word_df, 0))
               ORDER BY similarity(term, word) DESC, word_df DESC, term LIMIT 1)
  FROM unnest(%s::text[]) AS word LEFT JOIN lexicon AS own ON own.term = word
"""
"""Only words of titles are proposed, and only if they are a hundred times as frequent."""

COUNTED_MAX = 4_000
SAMPLE, SAMPLE_LEAST = 2_000, 200
TOTAL_MAX = 10_000


class Asked(Protocol):
    """A database, or a transaction of it."""

    def one(self, statement: str, *params: Any) -> tuple[Any, ...] | None: ...
    def all(self, statement: str, *params: Any) -> list[tuple[Any, ...]]: ...


def stems_of(database: Asked, lang: str, words: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """The stems of each word in a language; words of a language without stems are missing, stop words have none."""
    configuration = CONFIGURATIONS.get(lang)
    if configuration is None or not words:
        return {}
    rows = database.all(STEMS, f"pg_catalog.{configuration}_stem", list(words))
    return {word: tuple(found) for word, found in rows if found is not None}


class QueryStore:
    """Runs compiled queries; `form` forces one way of running them, for tests."""

    def __init__(self, database: Asked, form: Form | None = None) -> None:
        self._database, self._forced = database, form

    def stems(self, lang: str, words: Sequence[str]) -> dict[str, tuple[str, ...]]:
        """The stems of each word in a language; words of a language without stems are missing."""
        return stems_of(self._database, lang, words)

    def numbers(self, names: Sequence[Name]) -> dict[Name, list[tuple[int, str]]]:
        """(term, country) of each name that the dictionary has."""
        found: dict[Name, list[tuple[int, str]]] = {}
        if names:
            kinds, texts = [int(kind) for kind, _ in names], [text for _, text in names]
            for kind, name, number, country in self._database.all(NUMBERS, kinds, texts):
                found.setdefault((Kind(kind), name), []).append((number, country))
        return found

    def basis(self) -> Counts:
        """The counts that all plans use."""
        rows: dict[int, int] = dict(self._database.all(BASIS, *bounds(Kind.SLICE)))
        first, _ = bounds(Kind.SLICE)
        return Counts(rows.get(0, 0), {number - first: count for number, count in rows.items() if number})

    def counts(self, query: Query, basis: Counts) -> Counts:
        """`basis` with the counts of the query's own words and terms."""
        lexemes, prefixes = lexemes_of(query)
        texts: dict[str, int] = {}
        titles: dict[str, int] = {}
        terms: dict[int, int] = {}
        for sort, name, count, in_title in self._database.all(COUNTS, lexemes, prefixes, terms_of(query)):
            if sort == "term":
                terms[int(name)] = count
            else:
                texts[name], titles[name] = int(count), int(in_title)
        return replace(basis, terms=terms, texts=texts, titles=titles)

    def page(self, query: Query, counts: Counts, rows: int, after: Key | None = None) -> Page:
        """The first `rows` postings behind `after`, in the order of the query."""
        branches = self._branches(query, counts, rows, after)
        found = self._run(query, counts, branches, rows, after)
        if any(branch.form == "walk" and short(branch, found, rows) for branch in branches):
            branches = [replace(each, form="gin") for each in branches]
            found = self._run(query, counts, branches, rows, after)
        return Page(found, way_of(query, branches))

    def total(self, query: Query) -> tuple[int, bool, float | None]:
        """How many match, whether that is exact, and the seconds until one of them matches no longer."""
        sql = formed("SELECT count(*), min({}) FROM ({}) AS found", left_s(query), matches(query, TOTAL_MAX + 1))
        row = self._database.one(sql.text, *sql.params)
        count, left = row or (0, None)
        return min(count, TOTAL_MAX), count <= TOTAL_MAX, left

    def held(self, queries: Sequence[Query], posting_id: int) -> tuple[int, list[bool]] | None:
        """The posting that is shown for this one, and which of the queries match it; None if none is shown."""
        each = joined([matching(query) for query in queries], ", ", "COALESCE({}, false)")
        row = self._database.one(HELD.format(each.text), *each.params, posting_id, posting_id)
        return None if row is None else (row[0], [bool(held) for held in row[1:]])

    def holding(self, query: Query, clusters: Sequence[int]) -> dict[int, int]:
        """A shown posting that the query matches, for each of these clusters that has one."""
        condition = matching(query)
        return dict(self._database.all(HOLDING.format(condition.text), list(clusters), *condition.params))

    def facet(
        self, query: Query, counts: Counts, kinds: Sequence[Kind], values: int
    ) -> tuple[list[tuple[int, int]], bool, float | None]:
        """(term, count) of the most frequent terms of each kind, whether the counts are exact, and the same seconds.

        Above some thousand matches the newest ones are counted, and their counts raised to the estimated whole. Where
        there are far fewer than estimated, such as of words that exclude each other, all are counted.
        """
        estimate = estimated(query, counts).matches
        if estimate > COUNTED_MAX:
            counted, size, ends = self._counted(query, self._sample(query, counts), kinds, values)
            if size >= SAMPLE_LEAST:
                return _raised(counted, estimate / size), False, ends
        counted, size, ends = self._counted(query, matches(query, COUNTED_MAX + 1), kinds, values)
        if size <= COUNTED_MAX:
            return counted, True, ends
        return _raised(counted, estimate / size), False, ends

    def _sample(self, query: Query, counts: Counts) -> Part:
        estimate = estimated(query, counts)
        if walks_to(SAMPLE, estimate, counts):
            return newest(query, SAMPLE)
        return matches(query, SAMPLE, sampled_since(estimate, counts, SAMPLE))

    def _counted(
        self, query: Query, sampled: Part, kinds: Sequence[Kind], values: int
    ) -> tuple[list[tuple[int, int]], int, float | None]:
        """(term, count) of the most frequent terms of each kind, the number of postings, and the seconds."""
        left = left_s(query)
        sql = f"""
        WITH sample AS MATERIALIZED ({sampled.text}),
             counted AS (SELECT number, count(*) AS many FROM (SELECT unnest(terms) AS number FROM sample) AS listed
                          WHERE number >> 27 = ANY (%s) GROUP BY number),
             ranked AS (SELECT number, many, row_number() OVER (
                          PARTITION BY number >> 27 ORDER BY many DESC, number) AS place FROM counted)
        SELECT number, many, size, ends FROM (SELECT count(*) AS size, min({left.text}) AS ends FROM sample) AS whole
          LEFT JOIN ranked ON place <= %s ORDER BY many DESC, number
        """
        found = self._database.all(sql, *sampled.params, [int(kind) for kind in kinds], *left.params, values)
        _, _, size, ends = found[0]
        return [(number, many) for number, many, *_ in found if number is not None], int(size), ends

    def corrections(self, words: Sequence[str]) -> dict[str, str]:
        """For each word that very few postings contain, a much more frequent one with a similar spelling."""
        rows = self._database.all(CORRECTIONS, list(words)) if words else []
        return {word: found for word, found in rows if found is not None and found != word}

    def _branches(self, query: Query, counts: Counts, rows: int, after: Key | None) -> list[Branch]:
        whole = estimated(query, counts)
        titles = in_titles(query, counts, whole) if query.sort == "relevance" else whole
        # The nearest postings are found ring by ring, each of which has its own condition of places.
        shared = conditions(replace(query, places=(), circle=None) if query.sort == "distance" else query)
        besides = besides_words(query)
        bare = query.sort == "relevance" and title_tells(query)
        found = [(number, parts) for number, parts in tiers(query) if after is None or number <= after.tier]
        return [
            Branch(
                number,
                [*(besides if bare and number & 1 else shared), *parts],
                self._form(estimate, query, counts, rows),
                postings_with(rows, estimate, counts),
            )
            for number, parts in found
            for estimate in [titles if number & 1 else whole]
        ]

    def _form(self, estimate: Estimate, query: Query, counts: Counts, rows: int) -> Form:
        form = self._forced or form_for(estimate, counts, rows)
        return "gin" if query.sort == "distance" or (query.sort == "salary" and form == "slices") else form

    def _run(
        self, query: Query, counts: Counts, branches: list[Branch], rows: int, after: Key | None
    ) -> list[Row]:  # fmt: skip
        parts = [part for branch in branches for part in selects(query, counts, branch, rows, after)]
        if not parts:
            return []
        union = parts[0] if len(parts) == 1 else limited(joined(parts, "\nUNION ALL\n", "({})"), rows)
        sql = formed(f"SELECT *, {{}} FROM ({{}}) AS found ORDER BY tier DESC, {order_of(query)}", left_s(query), union)
        return [row_of(query, row) for row in self._database.all(sql.text, *sql.params)]


def _raised(counted: list[tuple[int, int]], scale: float) -> list[tuple[int, int]]:
    return [(number, round(many * max(scale, 1.0))) for number, many in counted]
