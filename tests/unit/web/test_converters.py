"""Ids in URLs."""

import pytest

from app.web.converters import GREATEST_ID, parse_id


@pytest.mark.parametrize(("text", "number"), [("1", 1), ("42", 42), (str(GREATEST_ID), GREATEST_ID)])
def test_a_positive_bigint_is_an_id(text: str, number: int) -> None:
    assert parse_id(text) == number


@pytest.mark.parametrize(
    "text", ["", "0", "-1", "+1", "01", "1_0", "1.0", " 1", "one", "٣", str(GREATEST_ID + 1), "9" * 400]
)
def test_invalid_id_is_none(text: str) -> None:
    assert parse_id(text) is None
