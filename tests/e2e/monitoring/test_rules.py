"""Every rule that the chart ships, asked by promtool: it fires when it should, and at no other time."""

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
    """Several alerts of one name differ in their own labels."""
    return rule["alert"], tuple(sorted((name, rule["labels"][name]) for name in LABELS & rule["labels"].keys()))


def test_promtool_finds_no_fault(tmp_path: Path) -> None:
    assert len(rule_tests.write_rules(tmp_path)) == len(rule_tests.FILES)
    assert "SUCCESS" in rule_tests.promtool("check", "rules", str(tmp_path / "rules.yaml"))


@pytest.mark.parametrize("path", rule_tests.FILES, ids=lambda path: path.stem)
def test_rules(path: Path, tmp_path: Path) -> None:
    rule_tests.run(rule_tests.read(path), tmp_path, path.stem)


@pytest.mark.parametrize("path", rule_tests.FILES, ids=lambda path: path.stem)
def test_what_another_release_does_fires_nothing(path: Path, tmp_path: Path) -> None:
    """Where something fires, the same series from the release next door fire only alerts of what is missing."""
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


def test_every_alert_is_asked_to_fire_and_to_keep_still() -> None:
    fired, still = set(), set()
    for case in rule_tests.cases():
        those = {_identity({"alert": case.alert, "labels": labels}) for labels in case.labels}
        fired |= those
        still |= {_identity(rule) for rule in alerts() if rule["alert"] == case.alert} - those
    every = {_identity(rule) for rule in alerts()}
    assert every - fired == set(), "never asked to fire"
    assert every - still == set(), "never asked to keep still"
    assert fired - every == set(), "no such alert"


def test_every_record_is_asked_for() -> None:
    asked = {
        name
        for path in rule_tests.FILES
        for group in rule_tests.read(path)
        for test in group.get("promql_expr_test", ())
        for name in re.findall(r"job:\w+:\w+", test["expr"])
    }
    assert {rule["record"] for rule in records()} == asked


def test_every_selector_names_the_release() -> None:
    """Or a host of its ingress; nothing is selected by its name alone."""
    for expression in (rule["expr"] for rule in (*alerts(), *records())):
        selectors = SELECTOR.findall(expression)
        assert {name for name, _ in selectors} == set(METRIC.findall(re.sub(r"\{[^}]*\}", "", expression))), expression
        for name, labels in selectors:
            assert f'namespace="{NAMESPACE}"' in labels or OF_ONE_HOST.search(labels), (name, expression)
            assert FULLNAME in labels or "name=~" in labels or OF_ONE_HOST.search(labels), (name, expression)


def test_every_alert_says_how_bad_it_is_and_what_there_is_to_know() -> None:
    for rule in alerts():
        assert rule["labels"]["severity"] in ("critical", "warning"), rule["alert"]
        assert rule["annotations"].keys() == {"summary", "description", "runbook_url"}, rule["alert"]
        assert not re.search(r"<\w+>", str(rule)), f"a word in {rule['alert']} that the chart does not know"


def test_the_bound_of_latency_is_one_of_the_histogram() -> None:
    """Another one would be a series that does not exist, and the alert silent."""
    rules = json.loads((CHART / "values.schema.json").read_text())["properties"]["monitoring"]["properties"]["rules"]
    choice = rules["properties"]["latencySeconds"]["enum"]
    assert set(choice) <= {str(bound) for bound in BUCKETS}
    assert {bound for rule in records() for bound in re.findall(r'le="([\d.]+)"', rule["expr"])} <= set(choice)


def test_an_alert_that_does_not_exist_is_not_changed() -> None:
    values = {**EVERYTHING, "monitoring": {"rules": {"enabled": True, "alerts": {"JobfinderDwon": {"enabled": False}}}}}
    complaint = refusal(values)
    assert "there is no alert JobfinderDwon" in complaint and "JobfinderDown" in complaint


def test_single_alerts_are_changed_and_turned_off_by_values() -> None:
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


def test_what_is_not_there_is_not_watched() -> None:
    objects = render({"operator": {"enabled": False}, "hpa": {"enabled": False}, "ingress": {"enabled": False}})
    names = {rule.get("alert") for group in groups(objects) for rule in group["rules"]}
    gone = {"JobfinderOperatorDown", "JobfinderAutoscalerAtMax", "JobfinderCertificateExpiry"}
    assert not gone & names
    assert {rule["alert"] for rule in alerts()} >= gone
