"""The operator may patch pods only if an admission policy that restricts its account is rendered too."""

import pytest
import yaml

from jobfinder_operator.tuning.rollout import SEEN
from tests.e2e.chart.rendering import EVERYTHING, EXTERNAL, NAMESPACE, Manifest, Values, named, objects, render

NAME = f"{NAMESPACE}-jobfinder-operator"


def with_operator(**values: bool) -> Values:
    return {**EXTERNAL, "operator": {**EVERYTHING["operator"], **values}}


def verbs_on_pods(manifests: list[Manifest]) -> set[str]:
    rules = named(manifests, "Role", "jobfinder-operator")["rules"]
    return {verb for rule in rules if "pods" in rule["resources"] for verb in rule["verbs"]}


def test_the_policy_matches_the_account_that_may_patch_pods() -> None:
    manifests = render(with_operator())
    policy = named(manifests, "ValidatingAdmissionPolicy", NAME)["spec"]
    (rule,), (condition,) = policy["matchConstraints"]["resourceRules"], policy["matchConditions"]
    account = named(manifests, "Deployment", "jobfinder-operator")["spec"]["template"]["spec"]["serviceAccountName"]
    assert (rule["resources"], rule["operations"], policy["failurePolicy"]) == (["pods"], ["UPDATE"], "Fail")
    assert condition["expression"].endswith(f"== 'system:serviceaccount:' + request.namespace + ':{account}'")
    assert SEEN in yaml.safe_dump(policy["variables"])
    assert "patch" in verbs_on_pods(manifests)


def test_the_policy_is_bound_and_denies() -> None:
    binding = named(render(with_operator()), "ValidatingAdmissionPolicyBinding", NAME)["spec"]
    assert binding == {"policyName": NAME, "validationActions": ["Deny"]}


def test_without_the_policy_the_operator_cannot_patch_pods() -> None:
    manifests = render(with_operator(annotatePods=False))
    assert not [each for each in objects(manifests) if each.startswith("ValidatingAdmissionPolicy")]
    assert verbs_on_pods(manifests) == {"list", "watch"}


@pytest.mark.parametrize("release", ["prod", "test"])
def test_each_release_has_a_policy_of_its_own(release: str) -> None:
    manifests = render(with_operator(), release=release)
    name = f"{NAMESPACE}-{release}-jobfinder-operator"
    policy = named(manifests, "ValidatingAdmissionPolicy", name)["spec"]
    assert f"':{release}-jobfinder-operator'" in policy["matchConditions"][0]["expression"]
    assert named(manifests, "ValidatingAdmissionPolicyBinding", name)["spec"]["policyName"] == name
