"""A client of Prometheus' HTTP API."""

import math
from dataclasses import dataclass
from typing import Any

import requests


@dataclass(frozen=True)
class Prometheus:
    """The server at `url`."""

    url: str

    def ready(self) -> bool:
        try:
            return requests.get(f"{self.url}/-/ready", timeout=5).status_code == 200
        except requests.ConnectionError:
            return False

    def targets(self) -> list[tuple[str, str, str, str]]:
        """(job, pod, health, last error) of each scraped target."""
        active = self._get("targets", state="active")["activeTargets"]
        return sorted(
            (each["labels"]["job"], each["labels"].get("pod", ""), each["health"], each["lastError"]) for each in active
        )

    def rules(self) -> dict[str, str]:
        """`group/name` -> health: `ok`, `err` or `unknown`; the worst if several rules have one name."""
        found: dict[str, str] = {}
        for group in self._get("rules")["groups"]:
            for rule in group["rules"]:
                name = f"{group['name']}/{rule['name']}"
                found[name] = max(found.get(name, "ok"), rule["health"], key=["ok", "unknown", "err"].index)
        return found

    def alerts(self, namespace: str) -> set[tuple[str, str]]:
        """(name, `pending` or `firing`) of each active alert of the namespace."""
        active = [(each["labels"], each["state"]) for each in self._get("alerts")["alerts"]]
        return {(labels["alertname"], state) for labels, state in active if labels["namespace"] == namespace}

    def values(self, expression: str) -> list[float]:
        """The current value of each series of the expression."""
        result = self._get("query", query=expression)["result"]
        return [float(each["value"][1]) for each in result]

    def has_data(self, expression: str) -> bool:
        """Whether a panel would show data: 0 counts, NaN (0 / 0) does not."""
        return any(not math.isnan(value) for value in self.values(expression))

    def _get(self, path: str, **parameters: str) -> Any:
        answer = requests.get(f"{self.url}/api/v1/{path}", params=parameters, timeout=10)
        assert answer.status_code == 200, answer.text
        return answer.json()["data"]
