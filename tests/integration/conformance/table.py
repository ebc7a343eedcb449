"""Runs cases against servers and compares the outcomes with the allowed ones."""

from collections.abc import Iterator
from dataclasses import dataclass

from tests.integration.conformance import chunks, exchanges, fields, lengths, targets
from tests.integration.conformance.cases import Case
from tests.integration.conformance.exchange import Exchange, exchange
from tests.integration.conformance.servers import Server

CASES: tuple[Case, ...] = tuple(
    case for module in (lengths, chunks, fields, targets, exchanges) for case in module.cases()
)


@dataclass(frozen=True)
class Result:
    """The outcome of one case on one server; `wrongs` are the deviations from the RFCs."""

    case: Case
    outcome: str
    faults: tuple[str, ...] = ()

    @property
    def wrongs(self) -> tuple[str, ...]:
        return self.faults if self.outcome in self.case.allowed else (self.outcome, *self.faults)

    def __str__(self) -> str:
        return ", ".join((self.outcome, *self.faults))


def run(case: Case, server: Server) -> Result:
    """Send the case and check the outcome for the client and for the application."""
    pid, _ = server.seen()
    result = exchange(case, server.address)
    now, requests = server.seen()
    if now != pid:
        return Result(case, "crash")
    return Result(case, result.outcome, (*result.faults, *misread(case, result, requests)))


def misread(case: Case, result: Exchange, requests: list[dict[str, str]]) -> Iterator[str]:
    """Faults in the requests that the application saw."""
    served = sum(answer.status in (200, 204, 304, 500) for answer in result.answers)
    if result.answers and len(requests) != served:
        yield f"{len(requests)} requests reached the application"
    for name, wanted in case.facts.items() if requests else ():
        found = requests[0].get(name)
        if found not in (wanted if isinstance(wanted, tuple) else (wanted,)):
            yield f"{name} is {found!r}"
