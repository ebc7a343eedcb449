"""The service's live tuning file, from the resource: names and units as the service reads them."""

import re
from collections.abc import Mapping
from typing import Any

from jobfinder_operator.spec import Spec

_NAMES = {"leaseMilliseconds": "lease_ms"}


def tuning_file(spec: Spec, generation: int) -> dict[str, Any]:
    """What tuning.json holds; what the resource leaves out is left out, so that the service's default holds."""
    database = {"acquire_timeout_ms": spec.database.acquire_milliseconds}
    return {"generation": generation, "database": database, **_named(spec.tuning)}


def console_settings(spec: Spec) -> dict[str, int]:
    """PgBouncer's settings, by the names of its console, that are no part of the budget: safe to SET at any time."""
    return {
        "query_wait_timeout": spec.database.query_wait_seconds,
        "server_idle_timeout": spec.database.idle_seconds,
    }


def _named(given: Mapping[str, Any]) -> dict[str, Any]:
    return {
        _NAMES.get(name) or re.sub("[A-Z]", lambda capital: f"_{capital[0].lower()}", name): _named(value)
        if isinstance(value, Mapping)
        else value
        for name, value in given.items()
    }
