"""Rules for all resources."""

from pathlib import Path

import app
from app.accounts.resources import Recoveries
from app.auth.resources import Logins, Logouts, Registrations, Revocations
from app.health.resources import Health, Live, PerformanceMetrics, PrometheusMetrics, Ready
from app.routes import ROUTES

COUNTED_BY_THEMSELVES = {Logins, Logouts, Recoveries, Registrations, Revocations}
PROBES = {Health, Live, Ready, PerformanceMetrics, PrometheusMetrics}


def test_only_probes_and_self_counting_resources_are_not_limited() -> None:
    uncounted = {kind for _, kind in ROUTES if not kind.counted}
    assert uncounted == COUNTED_BY_THEMSELVES | PROBES
    assert all(kind.public for kind in uncounted)


def test_location_header_is_set_in_one_module_only() -> None:
    source = Path(app.__file__).parent
    found = {path.name for path in source.rglob("*.py") if '_header("Location"' in path.read_text()}
    assert found == {"resource.py"}
