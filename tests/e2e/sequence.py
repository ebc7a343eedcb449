"""Tests of one folder that share a release go through its life in order."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

import pytest

Share = Callable[[Path], ExitStack]


def put_in_order(items: list[pytest.Item], folder: Path, order: Sequence[str]) -> None:
    """Sort those of `folder` by the place of their module in `order`; other folders' tests stay where they are."""
    places = [place for place, item in enumerate(items) if folder in item.path.parents]
    own = sorted((items[place] for place in places), key=lambda item: order.index(item.path.stem.removeprefix("test_")))
    for place, item in zip(places, own, strict=True):
        items[place] = item
