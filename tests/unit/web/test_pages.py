"""How many entries are a page."""

import pytest

from app.web.pages import PAGE_BYTES, fitting


@pytest.mark.parametrize(
    ("sizes", "number"),
    [
        ([], 0),
        ([0] * 1000, 1000),
        ([PAGE_BYTES], 1),
        ([PAGE_BYTES, 0, 0], 3),
        ([PAGE_BYTES - 1, 1, 1], 2),
        ([1, PAGE_BYTES], 1),
        ([PAGE_BYTES + 1, 0], 1),
    ],
)
def test_page_ends_before_its_texts_are_too_long(sizes: list[int], number: int) -> None:
    assert fitting(sizes) == number
