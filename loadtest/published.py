"""meinheld as it is published, with only the header of the installed greenlet put in place so that it compiles."""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from app.local.process import LocalError
from app.server.meinheld.build import BuildError, download, greenlet_header, unpack, verify


def published_meinheld() -> Path:
    """A folder to import it from; built once for each Python and kept outside of the checkout. Raises LocalError."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "jobfinder"
    folder = cache / f"meinheld-1.0.2-{sys.implementation.cache_tag}"
    if not (folder / "meinheld").is_dir():
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache) as scratch:
            try:
                _build(Path(scratch)).replace(folder)
            except (BuildError, subprocess.CalledProcessError) as error:
                raise LocalError(f"published meinheld could not be built: {error}") from error
    return folder


def _build(scratch: Path) -> Path:
    """Raises CalledProcessError where it does not compile, BuildError where the source is another one."""
    sdist = download(scratch)
    verify(sdist)
    root = unpack(sdist, scratch)
    shutil.copy(greenlet_header(), root / "meinheld" / "server" / "greenlet.h")
    made = scratch / "made"
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "-q", "--no-deps")
    environ = {name: value for name, value in os.environ.items() if name != "CFLAGS"}
    subprocess.run([*pip, "--no-build-isolation", "--target", str(made), str(root)], env=environ, check=True)
    return made
