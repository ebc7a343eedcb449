"""`python -m app.server.meinheld.build --out DIR`: build the wheel of the repaired meinheld."""

import argparse
import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable
from pathlib import Path

from app.server.meinheld import series

REQUIREMENT = "meinheld==1.0.2"
SHA256 = "008c76937ac2117cc69e032dc69cea9f85fc605de9bac1417f447c41c16a56d6"


class BuildError(Exception):
    """The wheel cannot be built; the message says why."""


def build(out: Path, sdist: Path | None = None, change: Callable[[Path], None] = series.repair) -> Path:
    """Put the wheel into `out` and return its path; `change` gets the root of the source before it is compiled."""
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        root = unpack(sdist, Path(folder))
        change(root)
        _pip("wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(Path(folder) / "wheel"), str(root))
        (wheel,) = (Path(folder) / "wheel").glob("*.whl")
        return Path(shutil.copy(wheel, out))


def download(folder: Path) -> Path:
    """Fetch the source distribution with pip, from the index that pip is set up for."""
    options = ("--no-binary", ":all:", "--no-deps", "--no-build-isolation", "--dest", str(folder))
    _pip("download", *options, REQUIREMENT)
    (found,) = folder.glob("meinheld-*.tar.gz")
    return found


def verify(sdist: Path) -> None:
    """Raises BuildError unless the file is the one that the repairs were written for."""
    digest = hashlib.sha256(sdist.read_bytes()).hexdigest()
    if digest != SHA256:
        raise BuildError(f"{sdist.name} has the SHA-256 {digest}, not {SHA256}")


def unpack(sdist: Path | None, folder: Path) -> Path:
    """The root of the source in `folder`, with the header of greenlet; it is downloaded when `sdist` is None."""
    source = sdist or download(folder)
    verify(source)
    with tarfile.open(source) as archive:
        archive.extractall(folder)  # noqa: S202 - its hash was checked; Python 3.11.2 knows no filter
    (root,) = (each for each in folder.glob("meinheld-*") if each.is_dir())
    shutil.copy(greenlet_header(), root / "meinheld" / "server" / "greenlet.h")
    return root


def greenlet_header() -> Path:
    """The header of the installed greenlet, whose C interface the wheel is compiled against."""
    found = importlib.util.find_spec("greenlet")
    if found is None or found.origin is None:
        raise BuildError("greenlet is not installed")
    return Path(found.origin).with_name("greenlet.h")


def _pip(*arguments: str) -> None:
    # Own CFLAGS would replace the interpreter's, and with them -DNDEBUG: meinheld's assertions do not hold.
    environ = {name: value for name, value in os.environ.items() if name != "CFLAGS"}
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", *arguments]
    done = subprocess.run(command, env=environ, text=True, capture_output=True, check=False)
    if done.returncode != 0:
        raise BuildError(f"pip {arguments[0]} failed:\n{done.stdout[-4000:]}{done.stderr[-4000:]}")


def unpack_for_quilt(folder: Path, sdist: Path | None) -> Path:
    """The root of the source in `folder` as it is before the first patch."""
    folder.mkdir(parents=True)
    root = unpack(sdist, folder)
    series.add_files(root)
    return root


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m app.server.meinheld.build", description=__doc__)
    task = parser.add_mutually_exclusive_group(required=True)
    task.add_argument("--out", type=Path, help="folder that gets the wheel")
    task.add_argument("--unpack", type=Path, help="new folder that gets the source before the first patch, for quilt")
    parser.add_argument("--sdist", type=Path, help="source distribution, if it is not to be downloaded")
    options = parser.parse_args()
    try:
        made = build(options.out, options.sdist) if options.out else unpack_for_quilt(options.unpack, options.sdist)
    except (BuildError, series.PatchError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(f"{made}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
