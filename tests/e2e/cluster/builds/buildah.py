"""Builds images with buildah in a separate storage, with this machine's access to package indexes."""

import contextlib
import fcntl
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from tests.e2e.cluster.config import HERE, Folders
from tests.e2e.cluster.shell import run, succeeds

_SETTINGS = {"CONTAINERS_REGISTRIES_CONF": str(HERE / "images/registries.conf")}


@dataclass(frozen=True)
class Recipe:
    """`target` of the Dockerfile in `folder`; `contexts`: more build contexts by name; `volumes`: its mounts."""

    folder: Path
    target: str
    contexts: Mapping[str, Path]
    volumes: Sequence[str]


class Buildah:
    """Builds with cached layers; a context manager that holds a lock, so that one build runs at a time."""

    def __init__(self, folders: Folders) -> None:
        self._root = folders.cache / "containers"
        self._run_root = folders.state.parent / f"{folders.state.name}-buildah"

    def __enter__(self) -> Self:
        self._root.mkdir(parents=True, exist_ok=True)
        self._lock = (self._root.parent / "containers.lock").open("w")
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        return self

    def __exit__(self, *_: object) -> None:
        """Leave no mount behind: the overlay driver keeps one on its own folder."""
        mounts = [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()]
        for mount in sorted(
            (each for each in mounts if each.startswith((f"{self._root}/", f"{self._run_root}/"))), reverse=True
        ):
            succeeds("umount", mount)
        shutil.rmtree(self._run_root, ignore_errors=True)
        self._lock.close()

    def build(self, name: str, recipe: Recipe) -> None:
        """Build the image `name`."""
        options = [f"--build-context={key}={path}" for key, path in recipe.contexts.items()]
        options += [f"--volume={each}" for each in recipe.volumes]
        fixed = ("--layers", "--pull-never", "--isolation=chroot", "--network=host", "--format=oci")
        self._run(
            "build", *fixed, *options, "--target", recipe.target, "--tag", name, str(recipe.folder), timeout_s=1800
        )

    def import_files(self, archive: Path, names: Sequence[str]) -> None:
        """Make an image of one layer from the files of a tar `archive`, under each of `names`."""
        with self._container("scratch") as container:
            self._run("add", "--quiet", container, str(archive), "/")
            path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
            self._run("config", "--cmd", "bash", "--env", path, container)
            self._run("commit", "--quiet", "--format=oci", container, names[0])
        self._run("tag", *names)

    def has(self, name: str) -> bool:
        return bool(self._run("images", "--quiet", "--filter", f"reference={name}").strip())

    def save(self, name: str, archive: Path) -> None:
        """Write the image as an archive for containerd, in a format without compression, which is faster."""
        unfinished = archive.with_suffix(".new")
        unfinished.unlink(missing_ok=True)
        self._run("push", "--quiet", name, f"docker-archive:{unfinished}:{name}")
        unfinished.replace(archive)

    @contextlib.contextmanager
    def _container(self, image: str) -> Iterator[str]:
        container = self._run("from", image).strip()
        try:
            yield container
        finally:
            self._run("rm", container)

    def _run(self, *arguments: str, timeout_s: float = 900) -> str:
        storage = ("--root", str(self._root), "--runroot", str(self._run_root))
        return run("nice", "buildah", *storage, *arguments, changes=_SETTINGS, timeout_s=timeout_s)
