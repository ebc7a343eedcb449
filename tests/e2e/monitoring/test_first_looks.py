"""The commands of the runbooks work without changes, run against a release."""

import re
import subprocess
from pathlib import Path

import pytest

from tests.e2e.chart.rendering import CHART
from tests.e2e.cluster.access import Cluster
from tests.e2e.cluster.config import environment
from tests.e2e.platform.release import NAME, Release

PAGES = sorted((CHART / "runbooks").glob("*.md"))
NOT_HERE = re.compile(r"--previous|SECRET_OF_|certificates")  # no container has ended, and there is no certificate
REALTIME = "JobfinderRealtime"  # alerts whose job and pod are those of the realtime gateway
COMPLAINT = re.compile(r"^(error(?!: metrics not available yet)|Error from server|bash|grep|unknown)\b.*", re.MULTILINE)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_runbook_commands_run_without_errors(release: Release, cluster: Cluster, page: Path) -> None:
    commands = page.read_text().split("```sh\n")[1].split("```")[0]
    script = "".join(f"{line}\n" for line in commands.splitlines() if not NOT_HERE.search(line))
    job, component = (f"{NAME}-realtime", "realtime") if page.stem.startswith(REALTIME) else (NAME, "app")
    pod = release.pods(component)[0].name
    given = environment(KUBECONFIG=str(cluster.kubeconfig), NS=release.namespace, F=job, POD=pod)
    given["PATH"] = f"{cluster.folders.programs}:{given['PATH']}"
    done = subprocess.run(["bash", "-c", script], env=given, capture_output=True, text=True, check=False, timeout=120)
    assert not COMPLAINT.search(done.stderr), done.stderr
    assert done.stdout
