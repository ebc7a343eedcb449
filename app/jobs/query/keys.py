"""The keys on which the result of a search depends: each change that could alter it publishes one of them."""

from app.coherence import ANYWHERE_KEY, catalogue_key, company_key
from app.jobs.query.compiled import named
from app.jobs.query.parameters import Wanted


def keys_of(wanted: Wanted) -> tuple[str, ...]:
    """Those of countries where every match has to be in, or open to, one of them; else that of all postings."""
    companies = tuple(company_key(number) for number in wanted.company)
    countries = _countries(wanted)
    if countries:
        return (*map(catalogue_key, sorted(countries)), *companies)
    if wanted.eligible_from:
        return (catalogue_key(wanted.eligible_from), ANYWHERE_KEY, *companies)
    return (catalogue_key(), *companies)


def _countries(wanted: Wanted) -> set[str]:
    """The countries in one of which every match has a place; none where a place may be anywhere.

    A region or city counts with the country that is written behind it. A plain name may tomorrow be that of a place in
    one more country.
    """
    if wanted.near is not None:
        return set()
    written = [named(name, text)[1] for name in ("region", "city") for text in getattr(wanted, name)]
    return set() if "" in written else {*wanted.country, *written}
