"""Answers that the server keeps: what it must be told, and what proves that an answer may be kept."""

from array import array
from collections.abc import Sequence
from typing import Protocol, TypeAlias

Cells: TypeAlias = "array[int] | None"
"""What is left of an allowance and the number of its window (`app/web/limits.py`), None where nothing is limited."""


class KeptAnswers(Protocol):
    """The part of `app/server/answers.py` that is used here. Each call is one step for every thread and request."""

    def looked(self, position: int, keys: Sequence[str] | None, start_ns: int, lease_ns: int) -> None:
        """A look is about to be installed: forget what rests on `keys` (None: everything), then give until the end."""

    def lower(self, until_ns: int) -> None:
        """End the lease then at the latest."""

    def forget(self, keys: Sequence[str] | None) -> None:
        """Forget what rests on `keys` (None: everything), and keep no answer that is being made."""


class NoAnswers:
    """The server keeps nothing."""

    def looked(self, position: int, keys: Sequence[str] | None, start_ns: int, lease_ns: int) -> None: ...
    def lower(self, until_ns: int) -> None: ...
    def forget(self, keys: Sequence[str] | None) -> None: ...


NO_ANSWERS = NoAnswers()
