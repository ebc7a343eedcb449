"""The chart's monitoring as it is shipped: rendered by helm, for one release with everything on."""

import functools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tests.e2e.chart import rendering
from tests.e2e.chart.rendering import Manifest

RELEASE = "shop"
FULLNAME = f"{RELEASE}-jobfinder"
RUNBOOKS = "charts/jobfinder/runbooks/"
EVERYTHING = {
    "secrets": {"existingSecret": "shop", "existingKeysSecret": "shop-keys"},
    "database": {"host": "postgres.example.com"},
    "operator": {"enabled": True, "existingSecret": "shop-operator", "tls": {"existingSecret": "shop-tls"}},
    "realtime": {"enabled": True},
    "memcached": {"exporter": {"enabled": True}},
    "pgbouncer": {"exporter": {"enabled": True}},
    "ingress": {
        "enabled": True,
        "hosts": ["jobs.example.com"],
        "tls": [{"secretName": "jobs-tls", "hosts": ["jobs.example.com"]}],
    },
    "monitoring": {
        "serviceMonitor": {"enabled": True},
        "rules": {"enabled": True},
        "dashboards": {"enabled": True},
    },
}

Rule = Mapping[str, Any]


def render(changes: Mapping[str, Any] | None = None) -> list[Manifest]:
    """Every object of the release, with `changes` laid over `EVERYTHING`."""
    return rendering.render(_merged(EVERYTHING, changes or {}), release=RELEASE)


@functools.cache
def everything() -> Sequence[Manifest]:
    """The objects of the release with everything on; cached."""
    return tuple(render())


def groups(objects: Sequence[Manifest] | None = None) -> list[dict[str, Any]]:
    """The rule groups of the PrometheusRule."""
    found = [each for each in objects or everything() if each["kind"] == "PrometheusRule"]
    assert len(found) == 1, [each["metadata"]["name"] for each in found]
    return list(found[0]["spec"]["groups"])


def alerts() -> Iterator[Rule]:
    """Every alerting rule."""
    return (rule for group in groups() for rule in group["rules"] if "alert" in rule)


def records() -> Iterator[Rule]:
    """Every recording rule."""
    return (rule for group in groups() for rule in group["rules"] if "record" in rule)


def _merged(lower: Mapping[str, Any], upper: Mapping[str, Any]) -> dict[str, Any]:
    both = dict(lower)
    for key, value in upper.items():
        under = both.get(key)
        both[key] = _merged(under, value) if isinstance(under, Mapping) and isinstance(value, Mapping) else value
    return both
