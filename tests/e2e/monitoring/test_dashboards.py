"""The dashboard files are valid for Grafana and work with any data source, namespace and release."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.chart.rendering import NAMESPACE
from tests.e2e.monitoring import dashboards, rule_tests
from tests.e2e.monitoring.rendering import FULLNAME, everything, render

DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}


def _read(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text())
    return found


def _dicts(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
    for each in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _dicts(each)


@pytest.mark.parametrize("path", dashboards.FILES, ids=lambda path: path.stem)
def test_dashboard_is_valid_for_grafana(path: Path) -> None:
    assert dashboards.faults(_read(path)) == []


def test_invalid_fields_are_found() -> None:
    wrong = _read(dashboards.FILES[0])
    shown = [panel for panel in wrong["panels"] if panel["type"] == "timeseries"]
    shown[0]["colour"] = "red"
    shown[1]["gridPos"]["w"] = "wide"
    shown[2]["fieldConfig"]["defaults"]["custom"]["drawStyle"] = "pencil"
    shown[3]["targets"][0]["query"] = "up"
    assert len(dashboards.faults(wrong)) == 4


@pytest.mark.parametrize("path", dashboards.FILES, ids=lambda path: path.stem)
def test_dashboard_does_not_depend_on_a_grafana_instance(path: Path) -> None:
    dashboard = _read(path)
    assert [each for each in _dicts(dashboard) if "id" in each and "type" in each] == []
    variables = [each["name"] for each in dashboard["templating"]["list"]]
    assert variables == ["datasource", "namespace", "release"]
    sources = [each["datasource"] for each in _dicts(dashboard) if "datasource" in each]
    assert sources and all(source == DATASOURCE for source in sources)
    assert dashboard["uid"] == f"jobfinder-{path.stem}"


@pytest.mark.parametrize("path", dashboards.FILES, ids=lambda path: path.stem)
def test_panels_do_not_overlap(path: Path) -> None:
    taken: set[tuple[int, int]] = set()
    for panel in _read(path)["panels"]:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken and max(x for x, _ in cells) < 24, panel["title"]
        taken |= cells


@pytest.mark.parametrize("path", dashboards.FILES, ids=lambda path: path.stem)
def test_queries_are_promql_about_this_release(path: Path, tmp_path: Path) -> None:
    """promtool checks them as recording rules. They do not use kube-state-metrics, which is optional."""
    asked = list(dashboards.queries(_read(path), NAMESPACE, FULLNAME))
    assert asked
    rules = [{"record": f"query:{number}", "expr": expression} for number, (_, expression) in enumerate(asked)]
    file = tmp_path / "queries.yaml"
    file.write_text(json.dumps({"groups": [{"name": "queries", "rules": rules}]}))
    rule_tests.promtool("check", "rules", str(file))
    for name, expression in asked:
        selectors = expression.count("{")
        assert selectors and selectors == expression.count(f'namespace="{NAMESPACE}",job="{FULLNAME}'), name
        assert "kube_" not in expression and "$" not in expression.replace('"$1"', ""), name


def test_each_dashboard_is_in_a_labelled_config_map() -> None:
    found = {
        each["metadata"]["name"]: each
        for each in everything()
        if each["kind"] == "ConfigMap" and "grafana_dashboard" in each["metadata"]["labels"]
    }
    assert found.keys() == {f"{FULLNAME}-dashboard-{path.stem}" for path in dashboards.FILES}
    for path in dashboards.FILES:
        data = found[f"{FULLNAME}-dashboard-{path.stem}"]["data"]
        assert json.loads(data[f"jobfinder-{path.stem}.json"]) == _read(path)


def test_values_set_labels_and_annotations_and_omit_disabled_parts() -> None:
    dressed = {"enabled": True, "labels": {"grafana_dashboard": "yes"}, "annotations": {"folder": "Jobs"}}
    disabled = {part: {"enabled": False} for part in ("operator", "realtime")}
    objects = render({"monitoring": {"dashboards": dressed}, **disabled})
    found = [each["metadata"] for each in objects if "-dashboard-" in each["metadata"]["name"]]
    assert len(found) == len(dashboards.FILES) - 2
    assert all(each["labels"]["grafana_dashboard"] == "yes" for each in found)
    assert all(each["annotations"] == {"folder": "Jobs"} for each in found)
