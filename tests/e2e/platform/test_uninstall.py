"""`helm uninstall` leaves what the values say to keep, and nothing else."""

from tests.e2e.platform.release import NAME, Release
from tests.pods.pod import wait_for

KEPT_BY_VALUES = {f"secret/{NAME}", f"secret/{NAME}-keys"}


def test_uninstall_leaves_only_kept_secrets_and_volumes(release: Release) -> None:
    before = release.objects()
    volumes = {each for each in before if each.startswith("persistentvolumeclaim/")}
    assert before >= KEPT_BY_VALUES
    assert volumes, before
    release.uninstall()
    wait_for(lambda: release.objects() <= KEPT_BY_VALUES | volumes, f"only {KEPT_BY_VALUES | volumes} left")
    assert release.objects() == KEPT_BY_VALUES | volumes
