"""Slugs are made from names, match their described pattern, and never run out."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.companies.schemas import SLUG, SLUG_MAX
from app.companies.service import slugs_of


@pytest.mark.parametrize(
    ("name", "slug"),
    [
        ("Acme GmbH", "acme-gmbh"),
        ("  Möbel & Straße!  ", "mobel-strasse"),
        ("Électricité de France", "electricite-de-france"),
        ("3M", "3m"),
        ("株式会社", "company"),
        ("-", "company"),
    ],
)
def test_the_first_slug_is_the_name_in_plain_letters(name: str, slug: str) -> None:
    assert next(slugs_of(name)) == slug


@given(st.text(min_size=1, max_size=120))
def test_every_slug_matches_the_pattern(name: str) -> None:
    slugs = list(slugs_of(name))
    assert len(set(slugs)) == len(slugs)
    assert all(re.fullmatch(SLUG, slug) and len(slug) <= SLUG_MAX for slug in slugs)


def test_last_slug_is_random() -> None:
    assert len({list(slugs_of("Acme"))[-1] for _ in range(100)}) == 100
