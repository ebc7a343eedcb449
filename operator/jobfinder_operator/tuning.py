"""The service's live tuning file, from the resource: names and units as the service reads them."""

from typing import Any

from jobfinder_operator.spec import Spec


def tuning_file(spec: Spec, generation: int) -> dict[str, Any]:
    """What tuning.json holds; what the resource leaves out is left out, so that the service's default holds."""
    raise NotImplementedError


def console_settings(spec: Spec) -> dict[str, int]:
    """PgBouncer's settings, by the names of its console, that are no part of the budget: safe to SET at any time."""
    raise NotImplementedError
