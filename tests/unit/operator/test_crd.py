"""The definition agrees with the code: every field, its limits and its defaults."""

import dataclasses
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from app.config import Tuning
from jobfinder_operator.deciding.ledger import Entry, Ghost, Ledger
from jobfinder_operator.reporting.status import Situation, TuningState, build
from jobfinder_operator.spec import read_spec
from tests.unit.operator.resources import decided, pod, resource, seen, server, spec_of

ROOT = Path(__file__).parents[3]
CRD = yaml.safe_load((ROOT / "operator/jobfinder_operator/crd.yaml").read_text())
(VERSION,) = CRD["spec"]["versions"]
SCHEMA = VERSION["schema"]["openAPIV3Schema"]["properties"]


def fields(schema: dict[str, Any], path: str = "") -> dict[str, dict[str, Any]]:
    """Leaves of a schema by their path."""
    found: dict[str, dict[str, Any]] = {}
    for name, each in schema.get("properties", {}).items():
        inner = each.get("items", each) if each.get("type") == "array" else each
        found |= fields(inner, f"{path}{name}.") if "properties" in inner else {f"{path}{name}": each}
    return found


def unknown(value: Any, schema: dict[str, Any], path: str = "status") -> list[str]:
    """Fields that the API server would prune."""
    if isinstance(value, dict):
        known = schema.get("properties", {})
        missing = [f"{path}.{name}" for name in value if name not in known]
        return missing + [
            bad for name in value if name in known for bad in unknown(value[name], known[name], f"{path}.{name}")
        ]
    if isinstance(value, list):
        return [bad for each in value for bad in unknown(each, schema["items"], f"{path}[]")]
    return []


def test_the_names_are_those_of_the_contract() -> None:
    names = CRD["spec"]["names"]
    assert (CRD["spec"]["group"], names["kind"], names["shortNames"]) == ("jobfinder.dev", "JobFinderConfig", ["jfc"])
    assert VERSION["subresources"] == {"status": {}}
    assert CRD["metadata"]["annotations"] == {"helm.sh/resource-policy": "keep"}


def test_printer_columns() -> None:
    shown = [column["name"] for column in VERSION["additionalPrinterColumns"] if not column.get("priority")]
    assert shown == ["Ready", "Mode", "Budget", "Used", "Pods", "Converged", "Age"]


def test_unknown_fields_are_pruned() -> None:
    assert "preserve-unknown-fields" not in yaml.safe_dump(CRD)


def test_a_minimal_resource_gets_the_defaults_of_the_code() -> None:
    database = SCHEMA["spec"]["properties"]["database"]["properties"]
    spec = read_spec({"spec": {"database": {"connectionBudget": 80}}})
    assert spec.database.headroom == database["headroom"]["default"]
    assert spec.database.linger_seconds == database["lingerSeconds"]["default"]
    per_pod, timeouts = database["perPod"], database["timeouts"]["properties"]
    assert per_pod["default"] == {name: each["default"] for name, each in per_pod["properties"].items()}
    assert per_pod["default"] == {"floor": spec.database.floor, "max": spec.database.per_pod_max}
    assert timeouts["acquireMilliseconds"]["default"] == spec.database.acquire_milliseconds
    assert timeouts["idleSeconds"]["default"] == spec.database.idle_seconds
    assert timeouts["queryWaitSeconds"]["default"] == spec.database.query_wait_seconds
    assert (spec.mode, spec.paused) == (
        SCHEMA["spec"]["properties"]["mode"]["default"],
        SCHEMA["spec"]["properties"]["paused"]["default"],
    )


def test_every_field_of_the_tuning_file_can_be_set() -> None:
    sections = ("limits", "accounts", "passwords", "compression")
    paths = fields({"properties": {name: SCHEMA["spec"]["properties"][name] for name in sections}})
    for section in sections:
        names = {
            re.sub("[A-Z]", lambda c: f"_{c[0].lower()}", path.split(".")[1])
            for path in paths
            if path.startswith(section)
        }
        assert names == set(type(getattr(Tuning(), section)).__struct_fields__)


@pytest.mark.parametrize(("kind", "name"), [(Entry, "pods"), (Ghost, "ghosts")])
def test_schema_keeps_every_field_of_the_ledger(kind: type[Entry] | type[Ghost], name: str) -> None:
    entry = Entry("u", "pod", 3, 2, 3, "s", 1.5, "p", 1, 2.5, reachable=False, grace_seconds=9.0, foreign=True)
    ledger = Ledger("me", 3.5, {"u": entry}, (Ghost("v", "old", 4, 9.5, 7.0, foreign=True, born_with=2),), (1.0,), 9)
    assert Ledger.from_dict(ledger.to_dict()) == ledger
    assert unknown(ledger.to_dict(), SCHEMA["status"]["properties"]["ledger"]) == []
    assert len(ledger.to_dict()[name][0]) == len(dataclasses.fields(kind))


@pytest.mark.parametrize(
    "damaged",
    [None, {}, {"holder": "me"}, {"holder": "me", "blindUntil": 0, "pods": [{"uid": "a"}], "ghosts": [], "moves": []}],
)
def test_damaged_ledger_counts_as_lost(damaged: Any) -> None:
    assert Ledger.from_dict(damaged) is None


def test_schema_keeps_every_field_of_the_status() -> None:
    spec = spec_of(cache={"memcachedMegabytes": 64})
    observed = seen(pod("a", 5, waiting=3), pod("b"), memcached=(server(hits=5, misses=5),), hpa_max=9)
    situation = Situation(spec, observed, decided(spec, observed), TuningState(7))
    status = build(situation, resource(), "2026-01-01T00:00:00Z")
    assert status["recommended"]
    assert unknown(status, SCHEMA["status"]) == []
