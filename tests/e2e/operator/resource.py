"""The JobFinderConfig of a release, read and edited with kubectl."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tests.e2e.cluster.access import Cluster
from tests.e2e.platform.release import NAME, Release
from tests.e2e.waiting import wait_until


def environment(cluster: Cluster) -> dict[str, str]:
    """Environment variables for a program that runs kubectl against the cluster."""
    path = f"{cluster.folders.programs}:{os.environ['PATH']}"
    return {**os.environ, "PATH": path, "KUBECONFIG": str(cluster.kubeconfig)}


@dataclass(frozen=True)
class Seen:
    """The JobFinderConfig as read at one moment."""

    object: Mapping[str, Any]

    @property
    def status(self) -> Mapping[str, Any]:
        return dict(self.object.get("status") or {})

    @property
    def followed(self) -> bool:
        """Whether the status is of the latest generation."""
        return bool(self.status.get("observedGeneration") == self.object["metadata"]["generation"])

    @property
    def pods(self) -> dict[str, Mapping[str, Any]]:
        return {each["name"]: each for each in self.status.get("pods", ())}

    def condition(self, kind: str) -> Mapping[str, Any]:
        return next((each for each in self.status.get("conditions", ()) if each["type"] == kind), {})

    def holds(self, kind: str) -> bool:
        """Whether the condition is True for the latest generation."""
        found = self.condition(kind)
        generation = self.object["metadata"]["generation"]
        return found.get("status") == "True" and found.get("observedGeneration") == generation


class Config:
    """The release's JobFinderConfig, which has the name of the release."""

    def __init__(self, release: Release) -> None:
        self.release = release

    def see(self) -> Seen:
        return Seen(self.release.get("jfc", NAME))

    def edit(self, section: str, value: Any) -> None:
        """`section` is a path such as `spec.limits.requestsPerUser`; raises ClusterError if it is refused."""
        body: Any = value
        for name in reversed(section.split(".")):
            body = {name: body}
        self.release.kubectl("patch", "jfc", NAME, "--type=merge", "-p", json.dumps(body))

    def wait_for(self, *conditions: str, timeout_s: float = 15) -> Seen:
        """Wait until all `conditions` are True for the latest generation."""
        return wait_until(
            self.see,
            lambda seen: seen.followed and all(seen.holds(each) for each in conditions),
            f"{', '.join(conditions)} True",
            timeout_s,
        )

    def wait_until_refused(self, condition: str, timeout_s: float = 15) -> str:
        """Wait until `condition` is False for the latest generation; returns its message."""
        seen = wait_until(
            self.see,
            lambda seen: seen.followed and seen.condition(condition).get("status") == "False",
            f"{condition} False",
            timeout_s,
        )
        return str(seen.condition(condition)["message"])

    def tuning(self) -> dict[str, Any]:
        """The tuning that the pods read from their ConfigMap."""
        data = self.release.get("configmap", f"{NAME}-tuning")["data"]
        return dict(json.loads(data["tuning.json"]))

    def events(self) -> list[str]:
        """`reason: message` of each event about it."""
        every = self.release.get("events", "--field-selector=involvedObject.kind=JobFinderConfig")["items"]
        return [f"{each['reason']}: {each['message']}" for each in every]
