"""promtool tests every rule of the chart: an alert fires when it should, and at no other time."""

import json
import re
from pathlib import Path

import pytest

from app.infra.metrics.statistics import BUCKETS
from tests.e2e.chart.rendering import CHART, NAMESPACE, refusal
from tests.e2e.monitoring import rule_tests
from tests.e2e.monitoring.rendering import EVERYTHING, FULLNAME, Rule, alerts, groups, records, render

LABELS = {"severity", "burn"}
SELECTOR = re.compile(r"(?<![\w:\"])([a-zA-Z_:][\w:]*)(\{[^}]*\})")
METRIC = re.compile(r"(?<![\w:\"])((?:jobfinder|kube|job:|certmanager|nginx|traefik|probe)[\w:]*|up)(?![\w:\"])")
OF_ONE_HOST = re.compile(r'\b(host|cn|instance)=~"')


def _identity(rule: Rule) -> tuple[str, tuple[tuple[str, str], ...]]:
    """Name and own labels of an alert, as several alerts may have one name."""
    return rule["alert"], tuple(sorted((name, rule["labels"][name]) for name in LABELS & rule["labels"].keys()))


def test_rules_pass_promtool_check(tmp_path: Path) -> None:
    assert len(rule_tests.write_rules(tmp_path)) == len(rule_tests.FILES)
    assert "SUCCESS" in rule_tests.promtool("check", "rules", str(tmp_path / "rules.yaml"))


@pytest.mark.parametrize("path", rule_tests.FILES, ids=lambda path: path.stem)
def test_rules_pass_their_promtool_tests(path: Path, tmp_path: Path) -> None:
    rule_tests.run(rule_tests.read(path), tmp_path, path.stem)


@pytest.mark.parametrize("path", rule_tests.FILES, ids=lambda path: path.stem)
def test_series_of_another_release_fire_no_alert(path: Path, tmp_path: Path) -> None:
    """Input series that fire alerts fire only alerts on absent series if they are of another release."""
    missing = {rule["alert"] for rule in alerts() if rule["expr"].startswith("absent(")}
    those: dict[object, rule_tests.Group] = {}
    for group in rule_tests.read(path, "next-jobfinder"):
        questions = [test for test in group.get("alert_rule_test", ()) if test["alertname"] not in missing]
        fired = {
            _identity({"alert": test["alertname"], "labels": alert["exp_labels"]})
            for test in questions
            for alert in test.get("exp_alerts", ())
        }
        group.pop("promql_expr_test", None)
        series = [dict(each) for each in group["input_series"]]
        for each in series:
            each["series"] = each["series"].replace(FULLNAME, "next-jobfinder").replace("jobs", "next")
        for test in questions:
            test["exp_alerts"] = []
        alike = (frozenset(fired), frozenset(each["series"] for each in series))
        if fired:
            those.setdefault(alike, {**group, "input_series": series, "alert_rule_test": questions})
    rule_tests.run(list(those.values()), tmp_path, path.stem)


def test_every_alert_has_a_firing_and_a_silent_test() -> None:
    fired, still = set(), set()
    for case in rule_tests.cases():
        those = {_identity({"alert": case.alert, "labels": labels}) for labels in case.labels}
        fired |= those
        still |= {_identity(rule) for rule in alerts() if rule["alert"] == case.alert} - those
    every = {_identity(rule) for rule in alerts()}
    assert every - fired == set(), "alerts without a test in which they fire"
    assert every - still == set(), "alerts without a test in which they do not fire"
    assert fired - every == set(), "no such alert"


def test_every_recording_rule_is_tested() -> None:
    asked = {
        name
        for path in rule_tests.FILES
        for group in rule_tests.read(path)
        for test in group.get("promql_expr_test", ())
        for name in re.findall(r"job:\w+:\w+", test["expr"])
    }
    assert {rule["record"] for rule in records()} == asked


def test_every_selector_names_the_release() -> None:
    """Or a host of its ingress; no selector consists of a metric name alone."""
    for expression in (rule["expr"] for rule in (*alerts(), *records())):
        selectors = SELECTOR.findall(expression)
        assert {name for name, _ in selectors} == set(METRIC.findall(re.sub(r"\{[^}]*\}", "", expression))), expression
        for name, labels in selectors:
            assert f'namespace="{NAMESPACE}"' in labels or OF_ONE_HOST.search(labels), (name, expression)
            assert FULLNAME in labels or "name=~" in labels or OF_ONE_HOST.search(labels), (name, expression)


def test_every_alert_has_a_severity_and_annotations() -> None:
    for rule in alerts():
        assert rule["labels"]["severity"] in ("critical", "warning"), rule["alert"]
        assert rule["annotations"].keys() == {"summary", "description", "runbook_url"}, rule["alert"]
        assert not re.search(r"<\w+>", str(rule)), f"a placeholder of {rule['alert']} is not replaced"


def test_latency_threshold_is_a_bucket_of_the_histogram() -> None:
    """For any other threshold there is no series, so the alert would never fire."""
    rules = json.loads((CHART / "values.schema.json").read_text())["properties"]["monitoring"]["properties"]["rules"]
    choice = rules["properties"]["latencySeconds"]["enum"]
    assert set(choice) <= {str(bound) for bound in BUCKETS}
    assert {bound for rule in records() for bound in re.findall(r'le="([\d.]+)"', rule["expr"])} <= set(choice)


def test_unknown_alert_in_values_is_refused() -> None:
    values = {**EVERYTHING, "monitoring": {"rules": {"enabled": True, "alerts": {"JobfinderDwon": {"enabled": False}}}}}
    complaint = refusal(values)
    assert "there is no alert JobfinderDwon" in complaint and "JobfinderDown" in complaint


def test_values_change_and_disable_single_alerts() -> None:
    changes = {
        "JobfinderMemcachedDown": {"for": "5s", "severity": "critical"},
        "JobfinderPodDown": {"enabled": False},
    }
    objects = render({"monitoring": {"rules": {"alerts": changes, "runbookUrl": "https://wiki.example.com/run/"}}})
    found = {rule["alert"]: rule for group in groups(objects) for rule in group["rules"] if "alert" in rule}
    assert "JobfinderPodDown" not in found
    changed = found["JobfinderMemcachedDown"]
    assert (changed["for"], changed["labels"]["severity"]) == ("5s", "critical")
    assert changed["annotations"]["runbook_url"] == "https://wiki.example.com/run/JobfinderMemcachedDown.md"


def test_disabled_parts_have_no_alerts() -> None:
    parts = ("operator", "hpa", "ingress", "realtime")
    objects = render({part: {"enabled": False} for part in parts})
    names = {rule.get("alert") for group in groups(objects) for rule in group["rules"]}
    gone = {"JobfinderOperatorDown", "JobfinderAutoscalerAtMax", "JobfinderCertificateExpiry", "JobfinderRealtimeDown"}
    assert not gone & names
    assert {rule["alert"] for rule in alerts()} >= gone
    without_log = groups(render({"memcached": {"enabled": False}}))
    assert "JobfinderRealtimeAdrift" not in {rule.get("alert") for group in without_log for rule in group["rules"]}
