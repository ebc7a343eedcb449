"""The operator and its CRD are upgraded and rolled back without a failed request."""

import json

from tests.e2e.operator.resource import Config
from tests.e2e.platform.load.watch import Load, watched
from tests.e2e.platform.release import NAME, Release

CRD = "jobfinderconfigs.jobfinder.dev"
LOAD = Load(rate=150, connections=16, actors=3)


def columns(release: Release) -> list[str]:
    versions = json.loads(release.cluster.kubectl("get", "crd", CRD, "-o", "json"))["spec"]["versions"]
    return [each["name"] for each in versions[0]["additionalPrinterColumns"]]


def test_operator_and_definition_are_upgraded_and_rolled_back(release: Release, config: Config) -> None:
    before, operators, pods = config.wait_for("Ready"), release.uids("operator"), release.uids()
    known = columns(release)
    older = [{"op": "remove", "path": "/spec/versions/0/additionalPrinterColumns/0"}]
    release.cluster.kubectl("patch", "crd", CRD, "--type=json", "-p", json.dumps(older))
    assert columns(release) == known[1:]
    with watched(release.address(), LOAD) as watch:
        with watch.phase("helm upgrade"):
            release.upgrade({"operator": {"podAnnotations": {"jobfinder.dev/turn": "2"}}})
            config.wait_for("Ready", "BudgetConverged", "TuningApplied", timeout_s=60)
        assert columns(release) == known
        release.wait_for_pods(lambda found: not operators & {each.uid for each in found}, "new pods alone", "operator")
        with watch.phase("helm rollback"):
            release.cluster.helm("rollback", NAME, "1", "-n", release.namespace, "--wait", "--timeout=120s")
            after = config.wait_for("Ready", "BudgetConverged", "TuningApplied", timeout_s=60)
        watch.wait_for_calm(300)
    watch.assert_nothing_failed()
    assert after.object["metadata"]["uid"] == before.object["metadata"]["uid"]
    assert release.uids() == pods
