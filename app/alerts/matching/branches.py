"""The alternatives of a query as rows, each with every condition of it, under each of its anchors."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from app.alerts.matching.anchors import anchors_for
from app.jobs.codes.terms import ANYWHERE
from app.jobs.query.compiled import Query
from app.jobs.query.expression import Alternative, body_query, phrase_query
from app.jobs.query.plan import Counts

ANY_KNOWN = -(2**31)
"""The least amount, which every known salary reaches."""


@dataclass(frozen=True, slots=True)
class Branch:
    """A row of alert_branch; `asked` and `phrases` are texts of tsqueries or None.

    A posting must be at one of `listed` places or in the circle, if there is one; other places are in `asked`.
    """

    anchor: int
    asked: str | None
    phrases: str | None
    salary_min: int | None
    salary_null: bool
    days: int | None
    verified: bool
    listed: Sequence[int]
    lat: float | None
    lon: float | None
    metres: int | None


def branches(query: Query, counts: Counts) -> list[Branch]:
    """None of a query that nothing can match now, or that is too broad."""
    if query.impossible:
        return []
    return [
        replace(branch, anchor=anchor)
        for alternative, anchors in anchors_for(query, counts).items()
        for branch in [_branch(alternative, query)]
        for anchor in anchors
    ]


def _branch(alternative: Alternative | None, query: Query) -> Branch:
    """Without its anchor."""
    words = body_query(alternative, query.stems) if alternative else ""
    asked = " & ".join([*([f"({words})"] if words else []), *_values(query)])
    phrases = phrase_query(alternative, query.stems) if alternative else ""
    circle, known = query.circle, query.salary_min is None and query.salary_unknown == "exclude"
    return Branch(
        0,
        asked or None,
        phrases or None,
        ANY_KNOWN if known else query.salary_min,
        query.salary_unknown == "include",
        query.within_days,
        query.verified,
        query.place_terms if circle else (),
        circle.center.lat if circle else None,
        circle.center.lon if circle else None,
        round(circle.km * 1000) if circle else None,
    )


def _values(query: Query) -> Iterator[str]:
    yield from (_one_of([number]) for number in query.need)
    yield from (_one_of(each.terms) for each in query.filters)
    if query.forbidden:
        yield f"!{_one_of(query.forbidden)}"
    if query.places and query.circle is None:
        yield _one_of(query.place_terms)
    if query.eligible:
        yield _one_of((*query.eligible, ANYWHERE))


def _one_of(terms: Iterable[int]) -> str:
    """No word begins with `#`."""
    return "(" + " | ".join(f"'#{number}'" for number in terms) + ")"
