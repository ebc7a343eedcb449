"""A bar that shows on the terminal how far a command is."""

import sys

WIDTH = 40


def show(done: int, total: int) -> None:
    """Draw the bar again; where there is no terminal, only the last one."""
    if sys.stdout.isatty() or done == total:
        filled = WIDTH * done // max(total, 1)
        end = "\n" if done == total else ""
        print(f"\r[{'#' * filled}{'.' * (WIDTH - filled)}] {done:,}/{total:,}", end=end, flush=True)
