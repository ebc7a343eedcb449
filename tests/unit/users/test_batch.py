"""Parsing the ids of a batch."""

import pytest

from app.errors import BadRequest
from app.users.resources import parse_ids


def test_the_order_is_kept_and_duplicates_are_folded() -> None:
    assert parse_ids("3,1,3,2") == [3, 1, 2]
    assert parse_ids(["3", "1,2"]) == [3, 1, 2]
    assert len(parse_ids(",".join(str(number) for number in range(1, 101)))) == 100


@pytest.mark.parametrize("given", [None, "", ",", "1,", "a", "0", "-1", "1,x", ",".join(["1"] * 101), "9" * 30])
def test_missing_too_many_or_invalid_ids_are_refused(given: str | None) -> None:
    with pytest.raises(BadRequest):
        parse_ids(given)
