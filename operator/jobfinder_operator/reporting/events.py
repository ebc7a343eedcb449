"""Events of the resource: conditions that changed, corrected drift, changes made."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from jobfinder_operator.clients.cluster import Cluster, ClusterError, Notice, Resource
from jobfinder_operator.deciding.evidence import Drift

DRIFT = "Drift"
QUIET_S = 60.0  # an identical event is not repeated within this time

# Conditions for which True is bad; for the others False is.
_BAD_WHEN_TRUE = {"Degraded", "TargetTaken"}

# Reasons of changes in progress: only the end result gets an event.
_PASSING = {"Applying", "Learning", "Waiting"}


class Events:
    """Writes each event once; a failure to write never interrupts the round."""

    def __init__(self, cluster: Cluster, clock: Callable[[], float]) -> None:
        self._cluster, self._clock = cluster, clock
        self._said: dict[tuple[str, str], float] = {}

    async def tell(self, resource: Resource, notices: Iterable[Notice]) -> None:
        now = self._clock()
        self._said = {key: at for key, at in self._said.items() if now - at < QUIET_S}
        for notice in notices:
            key = (notice.reason, notice.message)
            if key in self._said:
                continue
            self._said[key] = now
            try:
                await self._cluster.tell(resource, notice)
            except ClusterError:
                del self._said[key]


def of_conditions(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Notice]:
    """Events for conditions whose status has changed, or whose reason while bad; each message only once."""
    known = {each["type"]: each for each in before.get("conditions") or ()}
    notices: list[Notice] = []
    told: set[str] = set()
    for each in reversed(after.get("conditions") or ()):
        if each["status"] == "Unknown" or each.get("reason") in _PASSING or each.get("message") in told:
            continue
        bad = (each["status"] == "True") is (each["type"] in _BAD_WHEN_TRUE)
        old = known.get(each["type"], {})
        turned = old.get("status") != each["status"] or (bad and old.get("reason") != each.get("reason"))
        if turned and (old or bad):
            told.add(each.get("message", ""))
            words = f"{each['type']} is {each['status']}: {each.get('message', '')}"
            notices.append(Notice(each.get("reason") or each["type"], words, "Warning" if bad else "Normal"))
    return notices[::-1]


def of_drifts(drifts: Iterable[Drift]) -> list[Notice]:
    return [Notice(f"{DRIFT}{each.kind.capitalize()}", each.message, "Warning") for each in drifts]


def of_changes(reason: str, changes: Iterable[str]) -> list[Notice]:
    """One event for several changes of a kind."""
    words = list(changes)
    if not words:
        return []
    more = f" and {len(words) - 8} more" if len(words) > 8 else ""
    return [Notice(reason, ", ".join(words[:8]) + more)]
