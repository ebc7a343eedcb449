"""The answers that the repaired meinheld keeps (`docs/answers.md`), for one worker."""

from collections.abc import Mapping, Sequence

from meinheld import server

from app.coherence.keeping import Proof
from app.infra.metrics.counters import PLACES, Counters
from app.infra.metrics.statistics import BUCKETS

_US_IN_NS = 1000


class ServerAnswers:
    """One for each worker process, made after the fork. Each call is one step for every thread and every request."""

    def __init__(self, counters: Counters, log_share: float, id_prefix: str) -> None:
        server.answers_configure(counters.cells, *PLACES, tuple(BUCKETS), log_share, id_prefix)

    def bound(self, size: int) -> None:
        """Keep at most `size` bytes; 0 forgets all and keeps none."""
        server.answers_bound(size)

    def looked(self, position: int, keys: Sequence[str] | None, start_ns: int, lease_ns: int) -> None:
        """See `KeptAnswers`; from half of the lease on some requests go to the application, which looks ahead."""
        until_us, ahead_us = ((start_ns + part) // _US_IN_NS for part in (lease_ns, lease_ns // 2))
        server.answers_looked(position, keys, max(until_us, 0), max(ahead_us, 0))

    def lower(self, until_ns: int) -> None:
        """End the lease then at the latest."""
        server.answers_lower(max(until_ns // _US_IN_NS, 0))

    def forget(self, keys: Sequence[str] | None) -> None:
        """Forget what rests on `keys` (None: everything), and keep no answer that is being made."""
        server.answers_forget(keys)

    def prove(
        self, wish: object, position: int | None, client: Proof, page: Proof, route: int, *, for_all: bool
    ) -> None:  # fmt: skip
        """Keep the answer as it will be sent, if no look is installed before; position None: it is not proven."""
        server.answers_prove(wish, position or 0, client, page, route, for_all)

    def stats(self) -> Mapping[str, int]:
        """Numbers for the gauges."""
        numbers: Mapping[str, int] = server.answers_stats()
        return numbers
