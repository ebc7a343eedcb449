"""Sends cases through a proxy and finds requests that the worker read as two."""

from collections.abc import Iterator
from dataclasses import dataclass

from tests.integration.conformance.cases import Case, request
from tests.integration.conformance.exchange import Exchange, exchange
from tests.integration.conformance.proxies import MARK, Proxy

ENVIRON_MARK = "HTTP_" + MARK.upper().replace("-", "_")


@dataclass(frozen=True)
class Forwarded:
    """The result of one case: the number of requests that reached the application, and faults."""

    case: Case
    requests: int
    wrongs: tuple[str, ...]


def forward(case: Case, proxy: Proxy) -> Forwarded:
    """Send the case, then a request of another client, which must get its own response."""
    before, _ = proxy.worker.seen()
    result = exchange(case, proxy.address)
    pid, requests = proxy.worker.seen()
    wrongs = [*_misread(result, requests), *_next_client(proxy), *_counts(proxy)]
    if pid != before:
        wrongs.append("the worker has crashed")
    return Forwarded(case, len(requests), tuple(wrongs))


def _misread(result: Exchange, requests: list[dict[str, str]]) -> Iterator[str]:
    """Requests without the proxy's mark: the worker read them from the body of another one."""
    marks = [each.get(ENVIRON_MARK, "") for each in requests]
    if not all(marks) or len(set(marks)) != len(marks) or any("," in mark for mark in marks):
        yield f"requests that the proxy has not forwarded, or not once: {marks}"
    answered = sum(answer.status in (200, 204, 304, 500) for answer in result.answers)
    if answered > len(requests):
        yield f"{answered} answers to {len(requests)} requests"


def _next_client(proxy: Proxy) -> Iterator[str]:
    found = exchange(Case("the next client", "", (request("GET /next HTTP/1.1"),), ()), proxy.address)
    _, requests = proxy.worker.seen()
    if [answer.body for answer in found.answers] != [b"/next"] or sum(
        each["PATH_INFO"] == "/next" for each in requests
    ) != 1:
        yield f"the next client got {found.outcome}: {[answer.body[:80] for answer in found.answers]}"


def _counts(proxy: Proxy) -> Iterator[str]:
    """Connections with more responses than requests: one request was read as two."""
    for stream in list(proxy.tap.streams):
        stream.count()
        if stream.answer_count > stream.forwarded_count:
            proxy.tap.streams.remove(stream)
            yield f"{stream.answer_count} answers to {stream.forwarded_count} forwarded requests"
