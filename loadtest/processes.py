"""CPU time, memory and file descriptors of a process."""

import re
import time
from pathlib import Path

_SCHEDULED = 2  # CPUCLOCK_SCHED of the kernel


def processor_seconds(pid: int) -> float:
    """User and system CPU time of all threads so far, by the process's clock (clock_getcpuclockid); to 1 us."""
    return time.clock_gettime(~pid << 3 | _SCHEDULED)


def resident_bytes(pid: int) -> int:
    """Resident memory, pages shared with other processes included."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(re.findall(r"VmRSS:\s+(\d+) kB", status)[0]) * 1024


def descriptors(pid: int) -> int:
    """Number of open file descriptors."""
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))
