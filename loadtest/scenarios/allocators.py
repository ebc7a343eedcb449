"""Memory of one worker with the C library's allocator and with others that an image could preload."""

from pathlib import Path

from loadtest.bed import Bed
from loadtest.report import Row
from loadtest.scenarios import Effort, memory
from loadtest.store import insert_sessions

LIBRARIES = ("libjemalloc.so.2", "libmimalloc.so.2")


def run(bed: Bed, effort: Effort) -> list[Row]:
    """Measure each installed allocator (Debian: libjemalloc2, libmimalloc2.0) with its own service."""
    sessions = insert_sessions(bed.postgres.direct_url, memory.USERS)
    found = {name: next(Path("/usr/lib").glob(f"*/{name}"), None) for name in LIBRARIES}
    preloads = {"the C library": ""} | {name: str(path) for name, path in found.items() if path}
    rows = [_row(name, memory.fill(bed, sessions, LD_PRELOAD=path)) for name, path in preloads.items()]
    missing = [Row(f"allocator {name}", "is not installed") for name, path in found.items() if path is None]
    return rows + missing


def _row(name: str, megabytes: tuple[float, float]) -> Row:
    return Row(f"allocator {name}", f"{megabytes[0]:.0f} MB just started, {megabytes[1]:.0f} MB with full caches")
