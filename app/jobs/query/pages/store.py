"""SQL of result pages: the tiers in order, each by a walk, from the index of words, or slice by slice."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Literal

from app.jobs.codes.terms import DAY_S, cells_around, day_of
from app.jobs.query.compiled import Circle, Query
from app.jobs.query.conditions.store import (
    NOWHERE_METRES,
    Part,
    conditions,
    formed,
    joined,
    metres,
    of_places,
    tiers,
)
from app.jobs.query.plan import WALK_MAX, Counts, Form, periods, slice_terms

_ROWS = "id, published_at, salary, siblings, valid_through"
_SEEN = f"{_ROWS}, company_id, title_tsv, body_tsv, terms, lats, lons"
_ORDERS = {
    "published": ("published_at", "id"),
    "relevance": ("published_at", "id"),
    "salary": ("salary", "published_at", "id"),
    "distance": ("metres", "id"),
}
Way = Literal["walk", "gin", "slices", "distance", "empty"]
RING_GROWTH, RING_KM = 3.0, 5.0
"""Each ring is so much wider than the one before; the first has at least this radius, unless the circle is smaller."""


@dataclass(frozen=True, slots=True)
class Key:
    """The position of a row: its tier, and the values by which the tier is ordered."""

    tier: int
    values: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Row:
    """A posting that was found; `siblings` are other open members of its cluster.

    `left_s` are the seconds until time alone makes it no match any more.
    """

    id: int
    key: Key
    siblings: int
    metres: int | None
    left_s: float


@dataclass(frozen=True, slots=True)
class Branch:
    """One tier, how it is run, and how many postings its newest slice should have."""

    tier: int
    parts: list[Part]
    form: Form
    postings: float


@dataclass(frozen=True, slots=True)
class Page:
    """The rows of a page, and the most expensive plan of its tiers."""

    rows: list[Row]
    way: Way


def way_of(query: Query, branches: Iterable[Branch]) -> Way:
    if query.sort == "distance":
        return "distance"
    forms = {branch.form for branch in branches}
    return "slices" if "slices" in forms else "gin" if "gin" in forms else "walk"


def selects(query: Query, counts: Counts, branch: Branch, rows: int, after: Key | None) -> Iterable[Part]:
    """The statements of a tier: one, or one for each slice or ring, each of which comes before the next."""
    parts = branch.parts
    behind = [_behind(query, after)] if after is not None and after.tier == branch.tier else []
    if query.sort == "distance":
        yield from (_nearest(query, branch.tier, parts, behind, ring, rows) for ring in _rings(query))
    elif branch.form == "walk":
        yield _walk(query, branch.tier, parts, behind, rows)
    elif branch.form == "gin":
        yield _gin(query, branch.tier, [*parts, *behind], rows)
    else:
        for period in _periods(counts, branch, after if behind else None):
            yield _gin(query, branch.tier, [*parts, *behind, period], rows)


def _walk(query: Query, tier: int, parts: list[Part], behind: list[Part], rows: int) -> Part:
    """The limit inside keeps the planner from taking the conditions into the index scan."""
    known = [Part("salary IS NOT NULL")] if query.sort == "salary" and tier & 1 else []
    order = order_of(query) if known or query.sort != "salary" else "published_at DESC, id DESC"
    start = joined([Part("shown"), *known, *behind], " AND ")
    where = joined(parts, " AND ")
    return Part(
        f"SELECT {_ROWS}, {tier} AS tier, 0 AS metres FROM (SELECT {_SEEN} FROM posting WHERE {start.text}"
        f" ORDER BY {order} LIMIT {WALK_MAX}) AS walked WHERE {where.text} LIMIT %s",
        (*start.params, *where.params, rows),
    )


def _gin(query: Query, tier: int, parts: list[Part], rows: int) -> Part:
    """OFFSET 0 hides the order from the planner, which would walk the index of the order for rare words."""
    where = joined([Part("shown"), *parts], " AND ")
    return Part(
        f"SELECT {_ROWS}, {tier} AS tier, 0 AS metres FROM (SELECT {_ROWS} FROM posting WHERE {where.text} OFFSET 0)"
        f" AS matching ORDER BY {order_of(query)} LIMIT %s",
        (*where.params, rows),
    )


def _nearest(
    query: Query, tier: int, parts: list[Part], behind: list[Part], ring: tuple[int, int, list[Part]], rows: int
) -> Part:  # fmt: skip
    least, most, places = ring
    where = joined([Part("shown"), *parts, *places], " AND ")
    within = joined([Part("metres > %s AND metres <= %s", (least, most)), *behind], " AND ")
    distance = metres(_circle(query))
    return Part(
        f"SELECT {_ROWS}, {tier} AS tier, metres FROM (SELECT {_ROWS}, {distance.text} AS metres FROM posting"
        f" WHERE {where.text} OFFSET 0) AS around WHERE {within.text} ORDER BY metres, id LIMIT %s",
        (*distance.params, *where.params, *within.params, rows),
    )


def _rings(query: Query) -> list[tuple[int, int, list[Part]]]:
    """(beyond, up to, conditions) in metres; the last ring is for postings that match by country or city only.

    A small ring finds a page where there are many postings, without the distance of each in the whole circle.
    """
    circle, beyond = _circle(query), -1
    center = circle.center
    radii = [circle.km]
    while radii[0] / RING_GROWTH > RING_KM:
        radii.insert(0, radii[0] / RING_GROWTH)
    found: list[tuple[int, int, list[Part]]] = []
    for km in radii:
        cells = Part("terms && %s::int[]", (cells_around(center.lat, center.lon, km),))
        found.append((beyond, round(km * 1000), [cells]))
        beyond = round(km * 1000)
    return [*found, (beyond, NOWHERE_METRES, of_places(query))] if query.places else found


def _circle(query: Query) -> Circle:
    if query.circle is None:
        raise ValueError("only what is near a point has a distance")
    return query.circle


def _periods(counts: Counts, branch: Branch, after: Key | None) -> Iterable[Part]:
    """Conditions on the day of publication, the first of them where the page before has ended.

    Without such a page it ends after today, so that nothing is left out that was published since the counting.
    """
    newest = day_of(datetime.now(UTC)) + 1 if after is None else day_of(after.values[-2])
    for first, last in periods(counts, newest, branch.postings):
        if first is None:
            yield Part("published_at < to_timestamp(%s)", ((last + 1) * DAY_S,))
        else:
            yield Part("terms && %s::int[]", (slice_terms(first, last),))


def _behind(query: Query, after: Key) -> Part:
    if query.sort == "distance":
        return Part("(metres, id) > (%s, %s)", after.values)
    if len(after.values) == 2:
        return Part("(published_at, id) < (%s, %s)", after.values)
    return Part("(salary, published_at, id) < (%s, %s, %s)", after.values)


def order_of(query: Query) -> str:
    if query.sort == "distance":
        return "metres, id"
    return ", ".join(f"{column} DESC" for column in _ORDERS[query.sort])


def row_of(query: Query, row: tuple[Any, ...]) -> Row:
    number, published_at, salary, siblings, _, tier, far, left_s = row
    values: tuple[Any, ...] = (published_at, number)
    if query.sort == "distance":
        values = (far, number)
    elif query.sort == "salary" and tier & 1:
        values = (salary, published_at, number)
    return Row(number, Key(tier, values), siblings, far if query.sort == "distance" else None, left_s)


def short(branch: Branch, found: Sequence[Row], rows: int) -> bool:
    """Whether the page has room for more of a tier than its walk has found."""
    return sum(row.key.tier >= branch.tier for row in found) < rows


def matching(query: Query) -> Part:
    """Every condition of a query in one."""
    found = conditions(query)
    if query.eligible:
        found.append(
            joined([joined(parts, " AND ") for _, parts in tiers(replace(query, sort="published"))], " OR ", "({})")
        )
        found[-1] = formed("({})", found[-1])
    return joined(found, " AND ")


def left_s(query: Query) -> Part:
    """Seconds until time alone makes a posting no match any more: its end, or the edge of the days asked for."""
    if query.within_days is None:
        return Part("extract(epoch FROM valid_through - now())::float8")
    edge = "published_at + make_interval(days => %s)"
    return Part(f"extract(epoch FROM LEAST(valid_through, {edge}) - now())::float8", (query.within_days,))


def matches(query: Query, most: int, since: int | None = None) -> Part:
    """Terms and times of that many matches, of those published from the day `since` on."""
    days = slice_terms(since, day_of(datetime.now(UTC)) + 1) if since is not None else []
    where = [matching(query), *([Part("terms && %s::int[]", (days,))] if days else [])]
    sql = "SELECT terms, valid_through, published_at FROM posting WHERE shown AND {}"
    return limited(formed(sql, joined(where, " AND ")), most)


def limited(part: Part, rows: int) -> Part:
    """PostgreSQL runs the parts of a union in order, and those behind the last row that is asked for not at all."""
    return Part(f"{part.text} LIMIT %s", (*part.params, rows))


def newest(query: Query, most: int) -> Part:
    """Terms and times of the newest matches, as a walk finds them."""
    where = matching(query)
    return Part(
        f"SELECT terms, valid_through, published_at FROM (SELECT {_SEEN} FROM posting WHERE shown"
        f" ORDER BY published_at DESC, id DESC LIMIT {2 * WALK_MAX}) AS walked WHERE {where.text} LIMIT %s",
        (*where.params, most),
    )
