"""IP families: IPv6-only and dual-stack clusters."""

import re

import pytest
import yaml

from tests.e2e.chart.rendering import (
    BUNDLED,
    EVERYTHING,
    EXTERNAL,
    Values,
    container,
    environment,
    helm_template,
    pods,
    refusal,
    render,
)

TRY: Values = {**BUNDLED, "operator": EVERYTHING["operator"]}


def test_every_service_has_the_ip_families_of_the_values() -> None:
    given = {"ipFamilyPolicy": "PreferDualStack", "ipFamilies": ["IPv6", "IPv4"]}
    services = [each for each in render({**TRY, **given}) if each["kind"] == "Service"]
    assert len(services) == 4
    for each in services:
        assert {name: each["spec"].get(name) for name in given} == given, each["metadata"]["name"]


def test_services_set_no_ip_family_by_default() -> None:
    for each in render(TRY):
        if each["kind"] == "Service":
            assert not {"ipFamilyPolicy", "ipFamilies"} & set(each["spec"]), each["metadata"]["name"]


@pytest.mark.parametrize("values", [{"ipFamilyPolicy": "Both"}, {"ipFamilies": ["IPv5"]}, {"ipFamilies": ["IPv4"] * 2}])
def test_invalid_ip_families_are_refused(values: Values) -> None:
    assert "ipFamil" in refusal({**EXTERNAL, **values})


@pytest.mark.parametrize("values", [EVERYTHING, TRY], ids=["everything", "bundled"])
def test_app_listens_on_all_families_and_no_ipv4_address_is_rendered(values: Values) -> None:
    """127.0.0.1 is allowed: it stays within a pod and exists in every cluster."""
    app = dict(pods(render(values)))["Deployment/jobfinder"]
    assert environment(container(app, "app"))["HOST"] == "*"
    text = helm_template(values).output
    given = set(re.findall(r"(?:[0-9]+[.]){3}[0-9]+", yaml.safe_dump(dict(values))))
    assert set(re.findall(r"(?:[0-9]+[.]){3}[0-9]+", text)) - given <= {"127.0.0.1"}
