"""Which changes make an event, and how often."""

import asyncio
from typing import Any, cast

from jobfinder_operator.clients.cluster import Cluster, ClusterError, Notice, Resource
from jobfinder_operator.reporting import events
from jobfinder_operator.reporting.events import QUIET_S, Events


def condition(kind: str, status: str, reason: str = "R", message: str = "m") -> dict[str, Any]:
    return {"type": kind, "status": status, "reason": reason, "message": message}


def told(before: list[dict[str, Any]], after: list[dict[str, Any]]) -> list[tuple[str, str]]:
    return [(each.type, each.message) for each in events.of_conditions({"conditions": before}, {"conditions": after})]


def test_changed_condition_makes_an_event() -> None:
    good, bad = condition("BudgetFeasible", "True"), condition("BudgetFeasible", "False", message="22 > 10")
    assert told([good], [bad]) == [("Warning", "BudgetFeasible is False: 22 > 10")]
    assert told([bad], [good]) == [("Normal", "BudgetFeasible is True: m")]
    assert told([good], [good]) == []


def test_degraded_true_is_a_warning() -> None:
    assert told([condition("Degraded", "False")], [condition("Degraded", "True")])[0][0] == "Warning"


def test_first_status_makes_only_warnings() -> None:
    after = [condition("Ready", "True"), condition("CacheTuned", "False", message="x")]
    assert told([], after) == [("Warning", "CacheTuned is False: x")]


def test_same_message_in_two_conditions_makes_one_event() -> None:
    before = [condition("Ready", "True"), condition("BudgetFeasible", "True")]
    after = [condition("Ready", "False", message="sum"), condition("BudgetFeasible", "False", message="sum")]
    assert told(before, after) == [("Warning", "BudgetFeasible is False: sum")]


def test_repeated_event_is_held_back_and_api_failures_are_ignored() -> None:
    class Recording:
        down = False
        seen: tuple[Notice, ...] = ()

        async def tell(self, resource: Resource, notice: Notice) -> None:
            if self.down:
                raise ClusterError("connection refused")
            self.seen = (*self.seen, notice)

    now, cluster = [0.0], Recording()
    teller = Events(cast(Cluster, cluster), lambda: now[0])

    def tell() -> int:
        asyncio.run(teller.tell({}, [Notice("Reason", "words")]))
        return len(cluster.seen)

    cluster.down = True
    assert tell() == 0
    cluster.down = False
    assert [tell(), tell()] == [1, 1]
    now[0] += QUIET_S + 1
    assert tell() == 2


def test_many_similar_changes_make_one_event() -> None:
    assert events.of_changes("PoolsResized", []) == []
    (notice,) = events.of_changes("PoolsResized", [f"pod-{n} 1 -> 2" for n in range(10)])
    assert notice.message.endswith("pod-7 1 -> 2 and 2 more")
