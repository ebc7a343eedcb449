"""The query of a saved search: parameters of a search as in an address, valid and in a fixed order."""

from urllib.parse import parse_qs, urlencode

from app.alerts.matching.anchors import too_broad, too_many
from app.errors import FieldError, Invalid
from app.jobs.query.parameters import PARAMETERS, read
from app.jobs.schemas import FIELDS

OF_PAGES = ("limit", "cursor", "total", "facets", "fields")
"""Parameters that say what a page shows, not what is searched."""

TOO_BROAD = "alerts need a word, skill, company, language or place; type, workplace and seniority alone find too much"
TOO_MANY = "alerts need a word in each alternative, or fewer alternatives, values or places in the circle"

_NAMES_MAX = 1_000
_ORDER = {name: number for number, name in enumerate(PARAMETERS)}

_TOGETHER = {
    "lang": "q", "near": "place", "radius_km": "place", "country": "place", "region": "place", "city": "place",
    "salary_min": "salary", "salary_currency": "salary", "salary_unit": "salary", "salary_unknown": "salary",
}  # fmt: skip
_NO_CLAUSE = {"lang", "sort"}

Given = dict[str, list[str]]


def saved_form(text: str, lang: str) -> str:
    """The query as it is stored: its words are in `lang` unless it names another language.

    Raises Invalid that names each bad parameter as `query.<name>`.
    """
    given = parsed(text)
    problems = [
        FieldError(f"query.{name}", "of_a_page", "this says what a page shows, and is not saved")
        for name in OF_PAGES
        if name in given
    ]
    if problems:
        raise Invalid(problems)
    try:
        wanted = read(given, lang, FIELDS)
    except Invalid as refused:
        raise Invalid([_inside(error) for error in refused.fields]) from None
    if wanted.q:
        given.setdefault("lang", [wanted.lang])
    return urlencode({name: given[name] for name in sorted(given, key=_ORDER.__getitem__)}, doseq=True)


def matched_form(saved: str) -> str:
    """The part of a stored query that says what matches, in one order, so that equal searches have the same."""
    given = parsed(saved)
    return urlencode([(name, value) for name in sorted(given) if name != "sort" for value in sorted(given[name])])


def refuse_too_broad(saved: str) -> None:
    """Raises Invalid for a stored query that is too broad to alert anybody."""
    wanted = read(parsed(saved), "en", FIELDS)
    if too_broad(wanted) or too_many(wanted):
        raise Invalid([FieldError("query", "too_broad", TOO_BROAD if too_broad(wanted) else TOO_MANY)])


def parsed(text: str) -> Given:
    """The values of each parameter; raises Invalid for what is no query."""
    try:
        return parse_qs(
            text.removeprefix("?"), keep_blank_values=True, strict_parsing=bool(text.removeprefix("?")),
            errors="strict", max_num_fields=_NAMES_MAX,
        )  # fmt: skip
    except ValueError:
        raise Invalid([FieldError("query", "invalid", "parameters as in q=nurse&country=DE")]) from None


def clauses_of(given: Given) -> list[Given]:
    """The parts of a query that hold or do not hold by themselves, each with the parameters that belong together."""
    together: dict[str, Given] = {}
    for name, values in given.items():
        together.setdefault(_TOGETHER.get(name, name), {})[name] = values
    return [each for each in together.values() if not each.keys() <= _NO_CLAUSE]


def _inside(error: FieldError) -> FieldError:
    return FieldError(f"query.{error.field}", error.code, error.message, error.did_you_mean)
