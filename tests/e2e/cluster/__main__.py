"""Commands of the test cluster: up, down, status, images, build."""

import argparse
import sys

from tests.e2e.cluster import images, lifecycle, programs
from tests.e2e.cluster.config import ClusterError, folders


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.e2e.cluster", description=__doc__)
    parser.add_argument("command", choices=["up", "down", "status", "images", "build"])
    parser.add_argument("names", nargs="*", help="programs to build or images to load; all without it")
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
    except ClusterError as e:
        sys.stderr.write(f"{e}\n")
        return 1
    return 0


sys.exit(main())
