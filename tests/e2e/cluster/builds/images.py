"""The images of the test cluster: their inputs, builds (one for the same inputs), and loading into the node."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from tests.e2e.cluster.builds import bases, indexes
from tests.e2e.cluster.builds.buildah import Buildah, Recipe
from tests.e2e.cluster.builds.programs import folder_of
from tests.e2e.cluster.config import HERE, ROOT, Folders
from tests.e2e.cluster.servers import node
from tests.e2e.cluster.shell import run, say


@dataclass(frozen=True)
class Image:
    """`target` of the Dockerfile in `folder`, which takes these Go programs and these Debian suites as bases."""

    name: str
    target: str
    folder: Path
    programs: tuple[str, ...] = ()
    suites: tuple[str, ...] = ()

    def sources(self) -> Iterable[Path]:
        """Every file that the image may be made of."""
        if self.folder != ROOT:
            return sorted(self.folder.iterdir())
        of_both = ["Dockerfile", ".dockerignore", "pyproject.toml"]
        of_one = [] if self.target == "app" else ["requirements-operator.lock"]
        listed = ("git", "-C", ROOT, "ls-files", "--cached", "--others", "--exclude-standard")
        own = "app" if self.target == "app" else "operator"
        locks = ["requirements.lock", "requirements-dev.lock", *of_one]
        return [ROOT / name for name in run(*listed, *of_both, *locks, own).splitlines()]


def _program(name: str, *programs: str) -> Image:
    return Image(name, name, HERE / "images/programs", programs=programs or (name,))


def _standin(name: str, suite: str = bases.STABLE.suite) -> Image:
    return Image(name, name, HERE / "images/standins", suites=(suite,))


IMAGES = (
    _program("pause"),
    _program("addons", "coredns", "metrics-server"),
    Image("jobfinder", "app", ROOT, suites=(bases.STABLE.suite,)),
    Image("jobfinder-operator", "operator", ROOT, suites=(bases.STABLE.suite,)),
    _standin("postgres"),
    _standin("pgbouncer", bases.TESTING.suite),
    _standin("memcached"),
    _standin("prometheus"),
    _standin("pgbouncer-exporter"),
    Image("mail-server", "mail-server", HERE / "images/mail-server", suites=(bases.STABLE.suite,)),
    _program("prometheus-operator"),
    _program("prometheus-config-reloader"),
    _program("traefik"),
)


def load(folders: Folders, only: tuple[str, ...] = ()) -> list[str]:
    """Load all images, or those in `only`, into the node; returns the names of the new ones."""
    new = []
    for image in IMAGES:
        if not only or image.name in only:
            archive = _built(folders, image)
            mark = folders.state / "loaded" / image.name
            if not mark.exists() or mark.read_text() != archive.name:
                node.import_image(folders, archive)
                mark.parent.mkdir(exist_ok=True)
                mark.write_text(archive.name)
                new.append(image.name)
    if new:
        say(f"loaded {' '.join(new)}")
    return new


def _built(folders: Folders, image: Image) -> Path:
    """The archive for the current sources, built if missing; archives of earlier sources are deleted."""
    archive = folders.images / f"{image.name}@{_recipe(folders, image)}.tar"
    if not archive.exists():
        say(f"building the image {image.name}")
        archive.parent.mkdir(parents=True, exist_ok=True)
        contexts = {f"{each}-program": folder_of(folders, each) for each in image.programs}
        lent = [volume for suite in image.suites for volume in indexes.lend(folders, suite)]
        recipe = Recipe(image.folder, image.target, contexts, lent)
        tag = f"localhost/{image.name}:e2e"
        with Buildah(folders) as buildah:
            for suite in image.suites:
                bases.have(buildah, bases.BASES[suite])
            buildah.build(tag, recipe)
            buildah.save(tag, archive)
        for old in folders.images.glob(f"{image.name}@*.tar"):
            if old != archive:
                old.unlink()
    return archive


def _recipe(folders: Folders, image: Image) -> str:
    digest = hashlib.sha256(f"{image.target} {[bases.BASES[each].mark for each in image.suites]}".encode())
    for path in image.sources():
        if path.exists():  # a file that git lists may have been deleted
            digest.update(f"{path.relative_to(image.folder)} {path.stat().st_mode & 0o111}".encode())
            digest.update(hashlib.sha256(path.read_bytes()).digest())
    for each in image.programs:
        digest.update(folder_of(folders, each).name.encode())
    return digest.hexdigest()[:16]
