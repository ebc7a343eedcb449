"""Which coding a client prefers."""

import pytest

from app.web.compression import preferred


@pytest.mark.parametrize(
    ("accepted", "coding"),
    [
        ("", None),
        ("identity", None),
        ("gzip", "gzip"),
        ("gzip, br", "br"),
        ("br;q=0.5, gzip;q=0.8", "gzip"),
        ("br;q=0, gzip;q=0", None),
        ("*", "br"),
        ("br;q=0, *", "gzip"),
        ("GZIP ; q=0.3", "gzip"),
        ("gzip;q=nonsense", None),
        ("deflate, zstd", None),
    ],
)
def test_the_best_accepted_coding_is_chosen(accepted: str, coding: str | None) -> None:
    assert preferred(accepted) == coding
