"""Conditions of a search as SQL with its parameters, joined in their order."""

from typing import Any, NamedTuple

from app.jobs.codes.terms import ANYWHERE
from app.jobs.query.compiled import Circle, Query
from app.jobs.query.expression import Alternative, body_query, phrase_query, title_query

EARTH_METRES = 6_371_000
NOWHERE_METRES = 100_000_000
"""The distance of a posting without coordinates."""


class Part(NamedTuple):
    """A piece of SQL with `%s` for each of its parameters."""

    text: str
    params: tuple[Any, ...] = ()


def joined(parts: list[Part], between: str, around: str = "{}") -> Part:
    """Several parts as one; `around` is the template of each."""
    text = between.join(around.format(part.text) for part in parts)
    return Part(text, tuple(param for part in parts for param in part.params))


def formed(template: str, *parts: Part) -> Part:
    """`template` with each `{}` replaced by a part."""
    return Part(template.format(*(part.text for part in parts)), tuple(p for part in parts for p in part.params))


def conditions(query: Query) -> list[Part]:
    """The conditions of every match, except those that distinguish the tiers."""
    texts = [_any([_full(each, query) for each in query.words])] if query.words else []
    return texts + besides_words(query)


def besides_words(query: Query) -> list[Part]:
    """The conditions without those of the words, for titles with every word if `title_tells`."""
    found = [Part("valid_through > now()")]
    needed = list(query.need)
    for each in query.filters:
        if len(each.terms) == 1:
            needed.append(each.terms[0])
        else:
            found.append(Part("terms && %s::int[]", (list(each.terms),)))
    if needed:
        found.append(Part("terms @> %s::int[]", (needed,)))
    if query.forbidden:
        found.append(Part("NOT terms && %s::int[]", (list(query.forbidden),)))
    if query.within_days is not None:
        found.append(Part("published_at > now() - make_interval(days => %s)", (query.within_days,)))
    if query.since is not None:
        found.append(Part("published_at > %s", (query.since,)))
    if query.verified:
        found.append(Part("company_id IN (SELECT id FROM companies WHERE verified)"))
    return found + of_places(query) + _salary(query)


def tiers(query: Query) -> list[tuple[int, list[Part]]]:
    """(number, further conditions) of each tier, in the order of results; no posting is in two of them."""
    found: list[tuple[int, list[Part]]] = [(0, [])]
    if query.eligible:
        known = Part("terms && %s::int[]", (list(query.eligible),))
        unknown = Part("terms @> %s::int[]", ([ANYWHERE],))
        found = [(4, [known]), (0, [unknown, formed("NOT {}", known)])]
    if query.sort == "relevance" and (title := titles(query)) is not None:
        found = _split(found, 1, title, formed("NOT {}", title))
    if query.sort == "salary":
        found = _split(found, 1, Part("salary IS NOT NULL"), Part("salary IS NULL"))
    return found


def title_tells(query: Query) -> bool:
    """Whether a title with every word is all that the words ask for: texts have the lexemes of their titles."""
    return bool(query.words) and all(len(each.positive) == len(each.atoms) for each in query.words)


def titles(query: Query) -> Part | None:
    """The condition that every word is in the title; None if the search only excludes words."""
    asked = [each for each in query.words if each.positive]
    if not asked:
        return None
    if title_tells(query):
        return Part("title_tsv @@ %s::tsquery", (" | ".join(f"({title_query(each, query.stems)})" for each in asked),))
    return _any([_title(each, query) for each in asked])


def metres(circle: Circle) -> Part:
    """The distance of the nearest place, in whole metres; most postings have one place, which needs no subquery."""
    center = circle.center
    return Part(
        f"""CASE cardinality(lats) WHEN 1 THEN round({_haversine("lats[1]", "lons[1]")})::int
            ELSE COALESCE((SELECT round(min({_haversine("p.lat", "p.lon")}))::int
                             FROM unnest(lats, lons) AS p (lat, lon)), {NOWHERE_METRES}) END""",
        (center.lat, center.lat, center.lon) * 2,
    )


def _haversine(lat: str, lon: str) -> str:
    return (
        f"{2 * EARTH_METRES} * asin(least(1.0, sqrt(sin(radians({lat} - %s) / 2) ^ 2"
        f" + cos(radians(%s)) * cos(radians({lat})) * sin(radians({lon} - %s) / 2) ^ 2)))"
    )


def _split(
    found: list[tuple[int, list[Part]]], bit: int, upper: Part, lower: Part
) -> list[tuple[int, list[Part]]]:  # fmt: skip
    return [each for number, parts in found for each in ((number + bit, [*parts, upper]), (number, [*parts, lower]))]


def _full(each: Alternative, query: Query) -> Part:
    texts, phrases = body_query(each, query.stems), phrase_query(each, query.stems)
    found = [Part(f"{column} @@ %s::tsquery", (asked,)) for column, asked in _asked(texts, phrases)]
    return joined(found, " AND ")


def _asked(texts: str, phrases: str) -> list[tuple[str, str]]:
    return [(column, asked) for column, asked in (("body_tsv", texts), ("title_tsv", phrases)) if asked]


def _title(each: Alternative, query: Query) -> Part:
    title = Part("title_tsv @@ %s::tsquery", (title_query(each, query.stems),))
    return joined([title, _full(each, query)], " AND ")


def _any(parts: list[Part]) -> Part:
    """The parts as alternatives; as one tsquery if possible, so that the index combines the lists."""
    texts = {part.text for part in parts}
    if texts == {"body_tsv @@ %s::tsquery"}:
        return Part("body_tsv @@ %s::tsquery", (" | ".join(f"({part.params[0]})" for part in parts),))
    return formed("({})", joined(parts, " OR ", "({})"))


def of_places(query: Query) -> list[Part]:
    """The conditions of the group of places and circle."""
    if query.circle is None:
        return [Part("terms && %s::int[]", (list(query.place_terms),))] if query.places else []
    near = formed("{} <= %s", metres(query.circle))
    near = Part(near.text, (*near.params, round(query.circle.km * 1000)))
    listed = list(query.place_terms)
    found = Part("terms && %s::int[]", ([*listed, *query.circle.cells],))
    within = formed("({} OR {})", Part("terms && %s::int[]", (listed,)), near) if listed else near
    return [found, within]


def _salary(query: Query) -> list[Part]:
    if query.salary_min is None:
        return [Part("salary IS NOT NULL")] if query.salary_unknown == "exclude" else []
    if query.salary_unknown == "include":
        return [Part("(salary IS NULL OR salary >= %s)", (query.salary_min,))]
    return [Part("salary >= %s", (query.salary_min,))]
