"""A task worker with one small task, which writes when it began; run as `python -m loadtest.task_worker FILE`."""

import os
import sys
import time

from app.config import load_settings
from app.tasks.task import Duty, Task
from app.worker.duties import Parts
from app.worker.process import work

SMALL = Task("bench.small")


def main(path: str) -> int:
    """Run until stopped. A line of the file is `NUMBER TIME`, in seconds of the machine's monotonic clock."""
    file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    def small(number: int) -> None:
        os.write(file, f"{number} {time.monotonic()!r}\n".encode())

    return work(Parts(load_settings()), [Duty(SMALL, small)])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
