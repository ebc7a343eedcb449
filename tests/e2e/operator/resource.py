"""The JobFinderConfig of a release, as a person sees and edits it with kubectl."""

import json
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from app.local.process import becomes_true
from tests.e2e.cluster.access import Cluster
from tests.e2e.platform.release import NAME, Release


def environment(cluster: Cluster) -> dict[str, str]:
    """For a program that looks for kubectl and its cluster by itself."""
    path = f"{cluster.folders.programs}:{os.environ['PATH']}"
    return {**os.environ, "PATH": path, "KUBECONFIG": str(cluster.kubeconfig)}


@dataclass(frozen=True)
class Seen:
    """The object at one moment."""

    object: Mapping[str, Any]

    @property
    def status(self) -> Mapping[str, Any]:
        return dict(self.object.get("status") or {})

    @property
    def followed(self) -> bool:
        """Whether the status is about the latest edit."""
        return bool(self.status.get("observedGeneration") == self.object["metadata"]["generation"])

    @property
    def pods(self) -> dict[str, Mapping[str, Any]]:
        return {each["name"]: each for each in self.status.get("pods", ())}

    def condition(self, kind: str) -> Mapping[str, Any]:
        return next((each for each in self.status.get("conditions", ()) if each["type"] == kind), {})

    def holds(self, kind: str) -> bool:
        """Whether the condition is True for the latest edit."""
        found = self.condition(kind)
        generation = self.object["metadata"]["generation"]
        return found.get("status") == "True" and found.get("observedGeneration") == generation


class Config:
    """Named as the release is."""

    def __init__(self, release: Release) -> None:
        self.release = release

    def see(self) -> Seen:
        return Seen(self.release.get("jfc", NAME))

    def edit(self, section: str, value: Any) -> None:
        """`section` is a path such as `spec.limits.requestsPerUser`; raises where the API server refuses."""
        body: Any = value
        for name in reversed(section.split(".")):
            body = {name: body}
        self.release.kubectl("patch", "jfc", NAME, "--type=merge", "-p", json.dumps(body))

    def wait_for(self, *conditions: str, timeout_s: float = 15) -> Seen:
        """Until all of them are True for the latest edit."""
        deadline = time.monotonic() + timeout_s
        while True:
            seen = self.see()
            if seen.followed and all(seen.holds(each) for each in conditions):
                return seen
            assert time.monotonic() < deadline, json.dumps(seen.status.get("conditions"), indent=1)
            time.sleep(0.5)

    def wait_until_refused(self, condition: str, timeout_s: float = 15) -> str:
        """Until it is False for the latest edit; returns the message."""

        def refused() -> bool:
            found = self.see()
            return found.followed and found.condition(condition).get("status") == "False"

        assert becomes_true(refused, timeout_s), self.see().status.get("conditions")
        return str(self.see().condition(condition)["message"])

    def tuning(self) -> dict[str, Any]:
        """What the pods are told."""
        data = self.release.get("configmap", f"{NAME}-tuning")["data"]
        return dict(json.loads(data["tuning.json"]))

    def events(self) -> list[str]:
        """`reason: message` of each event about it."""
        every = self.release.get("events", "--field-selector=involvedObject.kind=JobFinderConfig")["items"]
        return [f"{each['reason']}: {each['message']}" for each in every]
