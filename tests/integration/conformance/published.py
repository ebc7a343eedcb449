"""meinheld as it is published, with only the header of greenlet replaced so that it compiles."""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from app.server.meinheld.build import download, greenlet_header, unpack, verify


def published_meinheld() -> Path:
    """A folder to import it from; built once for each Python and kept outside of the checkout."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = cache / "jobfinder" / f"meinheld-1.0.2-{sys.implementation.cache_tag}"
    if not (folder / "meinheld").is_dir():
        _build(folder)
    return folder


def _build(folder: Path) -> None:
    """Raises CalledProcessError where it does not compile, BuildError where the source is another one."""
    with tempfile.TemporaryDirectory() as scratch:
        sdist = download(Path(scratch))
        verify(sdist)
        root = unpack(sdist, Path(scratch))
        shutil.copy(greenlet_header(), root / "meinheld" / "server" / "greenlet.h")
        made = Path(scratch) / "made"
        pip = (sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "-q", "--no-deps")
        environ = {name: value for name, value in os.environ.items() if name != "CFLAGS"}
        command = [*pip, "--no-build-isolation", "--target", str(made), str(root)]
        subprocess.run(command, env=environ, check=True)
        folder.parent.mkdir(parents=True, exist_ok=True)
        shutil.copytree(made, folder, dirs_exist_ok=True)
