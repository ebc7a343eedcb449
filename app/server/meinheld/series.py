"""The patch series of meinheld: reads the patches' headers and applies them."""

import shutil
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from email.parser import Parser
from pathlib import Path

from app.server.meinheld.problems import error_pages

PATCHES = Path(__file__).with_name("patches")
C_SOURCE = Path(__file__).with_name("csource")

# Files of meinheld that the wheel leaves out, as Debian's Files-Excluded does.
EXCLUDED = (
    # `Waiter` and `wait` of waiting.h take their place.
    "meinheld/server/timer.c",
    "meinheld/server/timer.h",
    "meinheld/server/heapq.c",
    "meinheld/server/heapq.h",
    # The gunicorn worker replaces a method of gunicorn's logger, which ends the master when a worker is killed
    # (gunicorn issue 3055); the rest needs functions that waiting-in-greenlets.patch removes.
    "meinheld/common.py",
    "meinheld/gmeinheld.py",
    "meinheld/middleware.py",
    "meinheld/mlogging.py",
    "meinheld/msocket.py",
    "meinheld/patch.py",
    "meinheld/websocket.py",
)


class PatchError(Exception):
    """A patch is incomplete, is not in the series, or does not fit the source exactly."""


@dataclass(frozen=True)
class Patch:
    """A file of `patches/`, with what its header says (fields as in an e-mail; long ones go on after a blank)."""

    path: Path
    subject: str
    """A short name, the patch's own."""
    defect: str
    """What the published version does wrong, and the harm."""
    source: str
    """Where the right behaviour is written, or how the defect was found."""
    tests: tuple[str, ...]
    """The tests that fail without the patch: `file::test`, and the cases of a table in parentheses."""


def load(folder: Path = PATCHES) -> tuple[Patch, ...]:
    """The patches in the order of `series`. Raises PatchError where the file and the folder disagree."""
    names = (folder / "series").read_text().split()
    stray = {path.name for path in folder.glob("*.patch")} ^ set(names)
    if stray or len(names) != len(set(names)):
        raise PatchError(f"{folder / 'series'} must name every patch once; it disagrees about {sorted(stray)}")
    return tuple(_read(folder / name) for name in names)


def apply(patches: Iterable[Patch], root: Path) -> None:
    """Apply them below `root`, with no fuzz. Raises PatchError that names the patch that does not fit."""
    options = ("--strip=1", "--fuzz=0", "--forward", "--batch", "--reject-file=-", "--no-backup-if-mismatch")
    for patch in patches:
        command = ["patch", *options, f"--input={patch.path.resolve()}"]
        try:
            done = subprocess.run(command, cwd=root, text=True, capture_output=True, check=False)
        except FileNotFoundError:
            raise PatchError("GNU patch is needed (Debian: apt-get install patch)") from None
        if done.returncode != 0:
            raise PatchError(f"{patch.path.name} does not fit:\n{done.stdout}{done.stderr}")


def add_files(root: Path) -> None:
    """Prepare the source for the patches: add our C files and remove the excluded files."""
    server = root / "meinheld" / "server"
    for path in C_SOURCE.iterdir():
        shutil.copy(path, server)
    (server / "error_pages.h").write_text(error_pages())
    for name in EXCLUDED:
        (root / name).unlink()


def repair(root: Path, without: str = "") -> None:
    """Repair an unpacked source distribution; the patch with the subject `without` is left out."""
    add_files(root)
    apply((patch for patch in load() if patch.subject != without), root)


def _read(path: Path) -> Patch:
    header = Parser().parsestr(path.read_text(), headersonly=True)
    subject, defect, source = (" ".join(str(header[name] or "").split()) for name in ("Subject", "Defect", "Source"))
    patch = Patch(path, subject, defect, source, tuple(header.get_all("Test") or ()))
    if not (subject and defect and source and patch.tests):
        raise PatchError(f"{path.name} must begin with Subject, Defect, Source and Test")
    return patch
