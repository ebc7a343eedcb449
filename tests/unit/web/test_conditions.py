"""Conditional requests."""

import falcon
import pytest
from falcon.testing import create_req

from app.errors import PreconditionFailed
from app.web.conditions import entity_tag, expected_version, not_modified

TAG = entity_tag(7, 3)


def request(**headers: str) -> falcon.Request:
    return create_req(headers={name.replace("_", "-"): value for name, value in headers.items()})


@pytest.mark.parametrize("given", [TAG, f"W/{TAG}", "*", f'"8-1", {TAG}'])
def test_a_known_tag_is_not_sent_again(given: str) -> None:
    assert not_modified(request(if_none_match=given), TAG)


@pytest.mark.parametrize("given", ['"7-2"', "nonsense", ""])
def test_another_tag_is_modified(given: str) -> None:
    assert not not_modified(request(if_none_match=given), TAG)


def test_without_a_condition_any_version_will_do() -> None:
    assert expected_version(request(), 7) is None
    assert expected_version(request(if_match="*"), 7) is None


@pytest.mark.parametrize("given", [TAG, f"W/{TAG}", f" {TAG} "])
def test_if_match_names_a_version(given: str) -> None:
    assert expected_version(request(if_match=given), 7) == 3


@pytest.mark.parametrize("given", ['"8-3"', "nonsense", '""', '"7-x"', '"7-1", "7-2"', '"7-99999999999999"'])
def test_a_tag_of_something_else_never_matches(given: str) -> None:
    with pytest.raises(PreconditionFailed):
        expected_version(request(if_match=given), 7)
