"""`helm uninstall` leaves what the values say to keep, and nothing else."""

from tests.e2e.platform.release import NAME, Release
from tests.pods.pod import wait_for

KEPT_BY_VALUES = {f"secret/{NAME}", f"secret/{NAME}-keys"}
LONGEST_END_S = 90.0
"""A pod that is deleted while its containers start may take its whole grace period of 60 s."""


def test_uninstall_leaves_only_kept_secrets_and_volumes(release: Release) -> None:
    before = release.objects()
    volumes = {each for each in before if each.startswith("persistentvolumeclaim/")}
    assert before >= KEPT_BY_VALUES
    assert volumes, before
    release.uninstall()
    kept = KEPT_BY_VALUES | volumes
    wait_for(lambda: release.objects() <= kept, f"only {kept} left", timeout_s=LONGEST_END_S)
    assert release.objects() == kept
