"""One request for 100 cached users, compared with 100 requests for one user each."""

from statistics import median

from app.local.process import LocalError
from loadtest.bed import Bed, Service
from loadtest.report import Row
from loadtest.scenarios import Effort
from loadtest.wrk import Load, measure

SIZE = 100
LEAST_SAVED = 0.90


def run(bed: Bed, effort: Effort) -> list[Row]:
    """64 connections measure the server's time; one connection measures what a client waits."""
    with bed.service() as service:
        token = service.login("user2@example.com")
        rows = []
        for connections, name, binding in ((64, "server time", True), (1, "one client", False)):
            rounds = [_round(service, token, effort.seconds / 2, connections) for _ in range(effort.rounds)]
            batch_ms, singles_ms = (median(side) for side in zip(*rounds, strict=True))
            saved = median(1 - batch / singles for batch, singles in rounds)
            measured = f"{saved:.1%} less ({batch_ms:.2f} ms : {singles_ms:.2f} ms)"
            target = (f">= {LEAST_SAVED:.0%}", saved >= LEAST_SAVED) if binding else ("", None)
            rows.append(Row(f"batch of {SIZE} : {SIZE} single reads, {name}", measured, *target))
        return rows


def _round(service: Service, token: str, seconds: float, connections: int) -> tuple[float, float]:
    """Milliseconds for 100 users: (in one request, in 100 requests)."""
    ids = range(1, SIZE + 1)
    together = "/api/v1/users/batch?ids=" + ",".join(map(str, ids))
    answer = service.ask("GET", together, token)
    if answer.status != 200 or len(answer.json()["users"]) != SIZE:
        raise LocalError(f"the batch was answered with {answer.status}: {answer.body[:200].decode()}")
    batch = measure(Load(service.port, [together], token, seconds, connections))
    alone = [f"/api/v1/users/{each}" for each in ids]
    single = measure(Load(service.port, alone, token, seconds, connections))
    return 1000 / batch.per_second, SIZE * 1000 / single.per_second
