"""The service's live tuning file, from the resource: names and units as the service reads them."""

from collections.abc import Mapping
from functools import reduce
from typing import Any

from jobfinder_operator.live_settings import NAMES
from jobfinder_operator.spec import Spec


def tuning_file(spec: Spec, generation: int) -> dict[str, Any]:
    """What tuning.json holds; what the resource leaves out is left out, so that the service's default holds."""
    database = {"acquire_timeout_ms": spec.database.acquire_milliseconds}
    file: dict[str, Any] = {"generation": generation, "database": database}
    for resource_path, path in NAMES.items():
        if (value := reduce(_within, resource_path.split("."), spec.tuning)) is not None:
            *above, name = path.split(".")
            reduce(lambda section, each: section.setdefault(each, {}), above, file)[name] = value
    return file


def console_settings(spec: Spec) -> dict[str, int]:
    """PgBouncer's settings, by the names of its console, that are no part of the budget: safe to SET at any time."""
    return {
        "query_wait_timeout": spec.database.query_wait_seconds,
        "server_idle_timeout": spec.database.idle_seconds,
    }


def _within(given: Any, name: str) -> Any:
    return given.get(name) if isinstance(given, Mapping) else None
