"""Tests of one folder that share a release go through its life in order."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

import pytest

Share = Callable[[Path], ExitStack]


def put_in_order(items: list[pytest.Item], folder: Path, order: Sequence[str]) -> None:
    """Sort those of `folder` by the place of their module in `order`."""
    sort_those_of(items, folder, lambda item: order.index(item.path.stem.removeprefix("test_")))


def sort_those_of(items: list[pytest.Item], folder: Path, key: Callable[[pytest.Item], int]) -> None:
    """Sort those of `folder` and below; other folders' tests stay where they are."""
    places = [place for place, item in enumerate(items) if folder in item.path.parents]
    for place, item in zip(places, sorted((items[place] for place in places), key=key), strict=True):
        items[place] = item
