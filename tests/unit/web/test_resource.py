"""Which resources count nothing in the middleware."""

from app.auth.resources import Logins, Logouts, Registrations, Revocations
from app.health.resources import Health, Live, PerformanceMetrics, PrometheusMetrics, Ready
from app.routes import ROUTES

COUNTED_BY_THEMSELVES = {Logins, Logouts, Registrations, Revocations}
PROBES = {Health, Live, Ready, PerformanceMetrics, PrometheusMetrics}


def test_an_open_resource_is_limited_unless_it_is_known_to_count_by_itself_or_to_be_a_probe() -> None:
    uncounted = {kind for _, kind in ROUTES if not kind.counted}
    assert uncounted == COUNTED_BY_THEMSELVES | PROBES
    assert all(kind.public for kind in uncounted)
