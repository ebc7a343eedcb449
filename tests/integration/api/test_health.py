"""Health, metrics and documentation."""

import gzip
import re

import pytest
import requests
from prometheus_client.parser import text_string_to_metric_families

from app.config import VERSION
from app.routes import ROUTES
from app.web.openapi.description import document
from app.web.openapi.page import VIEWER_FILES, media_type, packed_files
from tests.api_client import Api, Person


def test_health_names_every_part_with_its_latency(api: Api) -> None:
    answer = api.get("health")
    assert answer.status_code == 200
    checks = answer.json()["checks"]
    assert answer.json()["status"] == "ok"
    assert set(checks) == {"database", "pooler", "cache"}
    assert all(check["status"] == "up" and check["latency_ms"] >= 0 for check in checks.values())


def test_live_and_ready_answer(api: Api) -> None:
    assert api.get("health/live").json() == {"status": "ok"}
    assert api.get("health/ready").json() == {"status": "ok"}


def test_every_request_is_counted_at_once_over_all_workers(api: Api, person: Person) -> None:
    before = api.get("health/metrics").json()
    for _ in range(25):
        api.fresh().get("users/me", person.token)
    after = api.get("health/metrics").json()
    assert after["performance"]["request_count"] - before["performance"]["request_count"] == 26
    route = "GET /api/v1/users/me"
    counted = [each["endpoints"].get(route, {"count": 0})["count"] for each in (before, after)]
    assert counted[1] - counted[0] == 25


def test_metrics_have_exactly_the_promised_shape(api: Api, person: Person) -> None:
    person.get("users/me")
    person.get("nowhere")
    metrics = api.get("health/metrics").json()
    assert set(metrics) == {"performance", "endpoints", "system", "timestamp"}
    assert set(metrics["performance"]) == {
        "request_count", "avg_response_time", "error_rate", "cache_hit_rate", "cache_hits", "cache_misses"
    }  # fmt: skip
    assert set(metrics["system"]) == {"memory_usage_percent", "uptime", "uptime_seconds"}
    assert re.fullmatch(r"\d+d \d+h \d+m", metrics["system"]["uptime"])
    assert isinstance(metrics["system"]["uptime_seconds"], int)
    assert all(set(each) == {"count", "avg_ms", "p50_ms", "p99_ms", "errors"} for each in metrics["endpoints"].values())
    assert 0 <= metrics["performance"]["cache_hit_rate"] <= 100
    assert metrics["timestamp"].endswith("Z")


def test_prometheus_labels_are_route_templates(api: Api, person: Person) -> None:
    person.get(f"users/{person.id}")
    person.get("users/987654321")
    text = api.root("/metrics").text
    assert 'route="/api/v1/users/{user_id}"' in text
    assert "987654321" not in text
    assert "jobfinder_http_request_duration_seconds_bucket" in text
    assert "jobfinder_tuning_generation" in text


def test_docs_page_lists_every_path_and_loads_only_its_own_files(api: Api) -> None:
    document = api.root("/openapi.json").json()
    assert document["openapi"].startswith("3.1")
    page = api.root("/docs")
    assert page.headers["Content-Type"].startswith("text/html")
    assert all(path in page.text for path in document["paths"])
    loaded = re.findall(r"(?:src|href)=[\"']?(?!data:)([^\"'> ]+)", page.text)
    assert set(loaded) == {"openapi.json", *(f"docs/{name}" for name in VIEWER_FILES)}
    assert {api.root(f"/{path}").status_code for path in loaded} == {200}


def test_unmatched_requests_are_counted(api: Api) -> None:
    before = api.get("health/metrics").json()
    api.get("nowhere")
    api.send("PUT", "users/me")
    api.post("auth/login", {})
    after = api.get("health/metrics").json()
    assert after["performance"]["request_count"] - before["performance"]["request_count"] == 4
    assert after["endpoints"]["unmatched"]["count"] - before["endpoints"].get("unmatched", {"count": 0})["count"] >= 1
    assert after["performance"]["error_rate"] == 0


def test_health_report_is_cached_for_a_second(api: Api) -> None:
    reports = [api.get("health").json()["timestamp"] for _ in range(50)]
    assert len(set(reports)) < len(reports)


def test_served_description_is_the_generated_one(api: Api) -> None:
    answer = api.root("/openapi.json")
    assert answer.json() == document(ROUTES)
    assert answer.headers["Content-Type"].startswith("application/json")


def test_docs_page_policy_allows_only_its_own_scripts(api: Api) -> None:
    page = api.root("/docs")
    policy = dict(each.strip().split(" ", 1) for each in page.headers["Content-Security-Policy"].split(";"))
    assert (policy["default-src"], policy["script-src"], policy["style-src"]) == ("'none'", "'self'", "'self'")
    assert "unsafe" not in page.headers["Content-Security-Policy"]
    assert not re.search(r"<script(?![^>]* src=)[^>]*>|<style| style=| on[a-z]+=", page.text)


@pytest.mark.parametrize("name", VIEWER_FILES)
@pytest.mark.parametrize(("accepted", "coding"), [("gzip, br", "gzip"), ("br", None), ("identity", None)])
def test_docs_files_are_gzipped_if_the_client_accepts_it(
    api: Api, name: str, accepted: str, coding: str | None
) -> None:
    answer = requests.get(f"{api.url}/docs/{name}", headers={"Accept-Encoding": accepted}, stream=True, timeout=30)
    assert (answer.status_code, answer.headers.get("Content-Encoding")) == (200, coding)
    assert "Accept-Encoding" in answer.headers["Vary"]
    assert answer.headers["Content-Type"] == media_type(name)
    sent = answer.raw.read(decode_content=False)
    body = gzip.decompress(sent) if coding else sent
    assert body == gzip.decompress(packed_files()[name])


@pytest.mark.parametrize("name", ["LICENSE", "swagger-ui.css.gz", "nothing.js", "..%2fdocs.py"])
def test_other_docs_files_are_not_found(api: Api, name: str) -> None:
    assert api.root(f"/docs/{name}").status_code == 404


def test_prometheus_reports_memcached_pgbouncer_and_build(api: Api, person: Person) -> None:
    person.get("users/me")
    families = {each.name: each for each in text_string_to_metric_families(api.fresh().root("/metrics").text)}
    assert [sample.value for sample in families["jobfinder_memcached_up"].samples] == [1.0, 1.0]
    gauge = {name: families[f"jobfinder_pgbouncer_{name}"].samples[0].value for name in ("up", "pool_size")}
    assert gauge == {"up": 1.0, "pool_size": 16.0}
    for total in ("queries", "transactions", "query_seconds", "wait_seconds"):
        assert families[f"jobfinder_pgbouncer_{total}"].type == "counter"
    assert families["jobfinder_pgbouncer_queries"].samples[0].value > 0
    (build,) = families["jobfinder_build_info"].samples
    assert build.labels == {"version": VERSION}
