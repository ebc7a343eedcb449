"""Commands of the test cluster: up, down, status, images, build, run."""

import argparse
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor, wait

from tests.e2e.cluster import lifecycle
from tests.e2e.cluster.builds import images, programs
from tests.e2e.cluster.config import ClusterError, Folders, folders, kept, kubeconfig_of_the_user


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.e2e.cluster", description=__doc__)
    parser.add_argument("command", choices=["up", "down", "status", "images", "build", "run"])
    parser.add_argument(
        "names", nargs="*", help="programs to build or images to load (default: all), or the command to run"
    )
    chosen = parser.parse_args()
    here = folders()
    try:
        match chosen.command:
            case "up":
                lifecycle.up(here)
            case "down":
                lifecycle.down(here)
            case "status":
                sys.stdout.write(lifecycle.status(here) + "\n")
            case "images":
                images.load(here, tuple(chosen.names))
            case "build":
                programs.build_all(here, tuple(chosen.names))
            case _:
                return _run(here, chosen.names)
    except ClusterError as e:
        sys.stderr.write(f"{e}\n")
        return 1
    return 0


def _run(here: Folders, command: list[str]) -> int:
    """Run the command while the cluster starts; tests that need the cluster wait for it in `lifecycle.up`.

    A cluster on this machine is removed afterwards, unless E2E_KEEP=1.
    """
    if kubeconfig_of_the_user() is not None:
        return subprocess.call(command)
    lifecycle.prepare(here)
    with ThreadPoolExecutor(1) as beside:
        coming = beside.submit(lifecycle.up, here)
        try:
            code = subprocess.call(command)
            coming.result()
            return code
        finally:
            wait([coming])
            if not kept():
                lifecycle.down(here)


sys.exit(main())
