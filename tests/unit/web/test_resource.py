"""What all resources have in common."""

from pathlib import Path

import app
from app.auth.resources import Logins, Logouts, Registrations, Revocations
from app.health.resources import Health, Live, PerformanceMetrics, PrometheusMetrics, Ready
from app.routes import ROUTES

COUNTED_BY_THEMSELVES = {Logins, Logouts, Registrations, Revocations}
PROBES = {Health, Live, Ready, PerformanceMetrics, PrometheusMetrics}


def test_an_open_resource_is_limited_unless_it_is_known_to_count_by_itself_or_to_be_a_probe() -> None:
    uncounted = {kind for _, kind in ROUTES if not kind.counted}
    assert uncounted == COUNTED_BY_THEMSELVES | PROBES
    assert all(kind.public for kind in uncounted)


def test_what_is_made_is_located_below_the_prefix_of_paths() -> None:
    source = Path(app.__file__).parent
    found = {path.name for path in source.rglob("*.py") if '_header("Location"' in path.read_text()}
    assert found == {"resource.py"}
