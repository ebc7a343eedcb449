"""Builds the service's live tuning file from the resource, with the service's names and units."""

from collections.abc import Mapping
from functools import reduce
from typing import Any

from jobfinder_operator.live_settings import NAMES
from jobfinder_operator.spec import Spec


def tuning_file(spec: Spec, generation: int) -> dict[str, Any]:
    """Contents of tuning.json; fields that the resource omits are omitted, so the service uses its defaults."""
    database = {"acquire_timeout_ms": spec.database.acquire_milliseconds}
    file: dict[str, Any] = {"generation": generation, "database": database}
    for resource_path, path in NAMES.items():
        if (value := reduce(_within, resource_path.split("."), spec.tuning)) is not None:
            *above, name = path.split(".")
            reduce(lambda section, each: section.setdefault(each, {}), above, file)[name] = value
    return file


def console_settings(spec: Spec) -> dict[str, int]:
    """PgBouncer settings outside the budget, by their console names: safe to SET at any time."""
    return {
        "query_wait_timeout": spec.database.query_wait_seconds,
        "server_idle_timeout": spec.database.idle_seconds,
    }


def _within(given: Any, name: str) -> Any:
    return given.get(name) if isinstance(given, Mapping) else None
