"""Builds the published meinheld unchanged, except that it uses the installed greenlet's header to compile."""

import os
import sys
import tempfile
import zipfile
from pathlib import Path

from app.local.process import LocalError
from app.server.meinheld.build import BuildError, build


def published_meinheld() -> Path:
    """A folder to import it from; built once per Python version and cached outside the checkout. Raises LocalError."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "jobfinder"
    folder = cache / f"meinheld-1.0.2-{sys.implementation.cache_tag}"
    if not (folder / "meinheld").is_dir():
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache) as scratch:
            try:
                wheel = build(Path(scratch), change=lambda _: None)
            except BuildError as error:
                raise LocalError(f"published meinheld could not be built: {error}") from error
            made = Path(scratch) / "made"
            with zipfile.ZipFile(wheel) as archive:
                archive.extractall(made)
            made.replace(folder)
    return folder
