"""Checks dashboards against Grafana's schema, and lists their panels and queries."""

import enum
import json
import types
import typing
from collections.abc import Iterator, Mapping
from typing import Any

from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models import dashboard as grafana

from tests.e2e.chart.rendering import CHART

FILES = sorted((CHART / "dashboards").glob("*.json"))

Dashboard = Mapping[str, Any]


def panels(dashboard: Dashboard) -> Iterator[Mapping[str, Any]]:
    """Every panel except rows."""
    return (panel for panel in dashboard["panels"] if panel["type"] != "row")


def queries(dashboard: Dashboard, namespace: str, release: str, interval: str = "1m") -> Iterator[tuple[str, str]]:
    """(panel, PromQL with the variables put in), as Grafana would send it."""
    given = {"$namespace": namespace, "$release": release, "$__rate_interval": interval}
    for panel in panels(dashboard):
        for target in panel["targets"]:
            expression = target["expr"]
            for variable, value in given.items():
                expression = expression.replace(variable, value)
            yield f"{dashboard['title']}: {panel['title']}: {target['refId']}", expression


def faults(dashboard: Dashboard) -> list[str]:
    """Fields that Grafana's schema does not have, or has with another type; empty if the dashboard is valid.

    The models of grafana-foundation-sdk are generated from the schema, but drop unknown fields and do not check types.
    So a dashboard must be the same after decoding and encoding, and every value must fit its type annotation.
    """
    register_default_plugins()
    return _faults(dashboard, grafana.Dashboard, "dashboard")


def _faults(given: Mapping[str, Any], kind: Any, where: str) -> list[str]:
    model = kind.from_json(given)
    back = json.loads(JSONEncoder().encode(model))
    return [*_lost(given, back, where), *_unfit(model, where)]


def _lost(given: Any, back: Any, where: str) -> Iterator[str]:
    if isinstance(given, Mapping) and isinstance(back, Mapping):
        for key, value in given.items():
            if key not in back:
                yield f"{where}.{key} is not in the schema"
            else:
                yield from _lost(value, back[key], f"{where}.{key}")
    elif isinstance(given, list) and isinstance(back, list) and len(given) == len(back):
        for number, (one, other) in enumerate(zip(given, back, strict=True)):
            yield from _lost(one, other, f"{where}[{number}]")
    elif given != back:
        yield f"{where}: {given!r} was read as {back!r}"


def _unfit(model: Any, where: str) -> Iterator[str]:
    hints = typing.get_type_hints(type(model))
    for name, value in vars(model).items():
        if name in hints and not _fits(value, hints[name]):
            yield f"{where}.{name}: {value!r} is no {hints[name]}"
        for number, inner in enumerate(value if isinstance(value, list) else [value]):
            if type(inner).__module__.startswith("grafana_foundation_sdk.models") and not isinstance(inner, enum.Enum):
                yield from _unfit(inner, f"{where}.{name}[{number}]")


def _fits(value: Any, hint: Any) -> bool:
    origin = typing.get_origin(hint)
    if origin is not None:
        return _fits_generic(value, origin, typing.get_args(hint))
    if hint in (typing.Any, object):
        return True
    if isinstance(value, Mapping) and hasattr(hint, "from_json"):
        return not _faults(value, hint, "")  # a nested object that the model did not convert
    if isinstance(hint, type) and issubclass(hint, enum.Enum):
        return value in [each.value for each in hint]
    return isinstance(value, (int, float) if hint is float else hint) and (hint is bool or not isinstance(value, bool))


def _fits_generic(value: Any, origin: Any, inner: tuple[Any, ...]) -> bool:
    if origin in (typing.Union, types.UnionType):
        return any(_fits(value, each) for each in inner)
    if origin is typing.Literal:
        return value in inner
    if origin is list:
        return isinstance(value, list) and all(_fits(each, inner[0]) for each in value)
    return isinstance(value, dict) and all(_fits(each, inner[1]) for each in value.values())
