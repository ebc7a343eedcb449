"""Puts tests in order: the modules of a folder that share one release, or tests that need the cluster."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

import pytest

Share = Callable[[Path], ExitStack]


def put_in_order(items: list[pytest.Item], folder: Path, order: Sequence[str]) -> None:
    """Sort the tests of `folder` by the place of their module in `order`."""
    sort_those_of(items, folder, lambda item: order.index(item.path.stem.removeprefix("test_")))


def sort_those_of(items: list[pytest.Item], folder: Path, key: Callable[[pytest.Item], int]) -> None:
    """Sort the tests of `folder` and below by `key`; tests of other folders keep their places."""
    places = [place for place, item in enumerate(items) if folder in item.path.parents]
    for place, item in zip(places, sorted((items[place] for place in places), key=key), strict=True):
        items[place] = item
