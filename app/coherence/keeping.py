"""Lets the server keep answers: what the answer of a request rests on, and who asked for it."""

from collections.abc import Mapping
from typing import Protocol

from app.coherence.facade import Coherence
from app.coherence.kept_answers import Cells, KeptAnswers
from app.infra.metrics.counters import Counters
from app.infra.relying import Part, relying

WISH = "jobfinder.wish"
"""Set by the server for a request whose answer it would keep."""
SAMPLED = "jobfinder.sampled"
"""Set by the server for a request that it could have answered, but that has to be logged."""

Proof = tuple[tuple[str, ...], int, int, tuple[tuple[int, int], ...], Cells]
"""Keys, expiry by CLOCK_BOOTTIME in us and by the wall clock in s, what is added to which counters, the allowance."""


class Prover(Protocol):
    """The part of `app/server/answers.py` that is used here."""

    def prove(
        self, wish: object, position: int | None, client: Proof, page: Proof, route: int, *, for_all: bool
    ) -> None: ...  # fmt: skip


class Answers(KeptAnswers, Prover, Protocol):
    """All of `app/server/answers.py`."""

    def bound(self, size: int) -> None: ...
    def stats(self) -> Mapping[str, int]: ...


class Keeping:
    """What the answer of one request rests on, in two parts: that the client may have it, and what it shows."""

    __slots__ = ("allowance", "client", "for_all", "page", "personal", "wish")

    def __init__(self, wish: object, *, for_all: bool) -> None:
        self.wish, self.for_all = wish, for_all
        self.client, self.page = Part(), Part()
        self.allowance: Cells = None
        self.personal = False
        """Whether the page was made with the identity of a user: then it is kept for that token alone."""
        relying.set(self.client)

    def admitted(self, allowance: Cells) -> None:
        """The client may have the answer, and the request was taken from `allowance`; now the page is made."""
        self.allowance, self.personal = allowance, False
        relying.set(self.page)


class Keeper:
    """Proves to the server what an answer rests on, when its headers and its body are known."""

    def __init__(self, server: Prover, coherence: Coherence, counters: Counters) -> None:
        self._server, self._coherence, self._counters = server, coherence, counters

    def prove(self, keeping: Keeping, route: int) -> None:
        """Between this and the first byte of the answer no look may be installed; the server refuses it otherwise.

        What was made by use of an identity is for its token alone; nobody's identity is everybody's.
        """
        relying.set(None)
        self._server.prove(
            keeping.wish,
            self._coherence.proven(keeping.client, keeping.page),
            self._proof(keeping.client, keeping.allowance),
            self._proof(keeping.page, None),
            self._counters.place_of_route(route),
            for_all=keeping.for_all and not keeping.personal,
        )

    @staticmethod
    def _proof(part: Part, allowance: Cells) -> Proof:
        return (
            tuple(part.keys),
            part.expires_ns // 1000,
            int(part.until_s),
            tuple(part.counted.items()),
            allowance,
        )
