"""When a pod is ready: its database must have answered once, its own PgBouncer must answer at every check."""

from dataclasses import dataclass, field
from typing import Any, cast

from app.errors import ConfigError, Unavailable
from app.health.service import Dependencies, HealthService


@dataclass
class Server:
    answers: bool = True
    asked: int = 0

    def ping(self, timeout_s: float) -> float:
        self.asked += 1
        if not self.answers:
            raise Unavailable("no")
        return 0.1


@dataclass
class Pod:
    database: Server = field(default_factory=Server)
    pooler: Server | None = field(default_factory=Server)
    problem: Exception | None = None
    objection: str = ""
    now: float = 0.0

    def __post_init__(self) -> None:
        servers = cast(Any, self.database), cast(Any, self.pooler), cast(Any, None)
        needs = Dependencies(*servers, self.confirm, lambda: self.objection)
        self.service = HealthService(needs, lambda: self.now)

    def confirm(self) -> None:
        if self.problem is not None:
            raise self.problem

    def ready(self) -> bool:
        """Readiness some time after the last check."""
        self.now += 10
        return self.service.readiness() is None


def test_pod_waits_for_the_database_but_stays_ready_when_it_is_lost() -> None:
    pod = Pod(problem=ConfigError("no schema"))
    assert not pod.ready()
    pod.problem = None
    assert pod.ready()
    pod.problem, pod.database.answers = Unavailable("gone"), False
    assert pod.ready()


def test_pod_with_another_log_than_the_database_is_not_ready() -> None:
    pod = Pod()
    assert pod.ready()
    pod.objection = "this process has another log of changes"
    assert pod.service.readiness() == pod.objection
    pod.objection = ""
    assert pod.ready()


def test_pod_is_not_ready_while_its_pooler_does_not_answer() -> None:
    pod = Pod()
    assert pod.pooler is not None
    assert pod.ready()
    pod.pooler.answers = False
    assert not pod.ready()
    pod.pooler.answers = True
    assert pod.ready()


def test_pooler_is_checked_at_most_once_a_second() -> None:
    pod = Pod()
    assert pod.pooler is not None
    assert pod.ready()
    before = pod.pooler.asked
    pod.now += 10
    assert [pod.service.readiness() for _ in range(50)] == [None] * 50
    assert pod.pooler.asked == before + 1


def test_without_a_pooler_the_pod_is_ready() -> None:
    pod = Pod(pooler=None)
    assert pod.ready()
    assert pod.ready()
