"""The images of the test cluster: what each is made of, built once for the same inputs, and loaded into the node."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from tests.e2e.cluster import node
from tests.e2e.cluster.buildah import Buildah
from tests.e2e.cluster.config import HERE, Folders
from tests.e2e.cluster.programs import folder_of
from tests.e2e.cluster.shell import say


@dataclass(frozen=True)
class Image:
    """`target` of the Dockerfile in images/`recipe`, with the Go programs that it copies."""

    target: str
    recipe: str
    programs: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return f"localhost/{self.target}:e2e"


IMAGES = (
    Image("pause", "programs", ("pause",)),
    Image("addons", "programs", ("coredns", "metrics-server")),
    Image("prometheus-operator", "programs", ("prometheus-operator",)),
    Image("prometheus-config-reloader", "programs", ("prometheus-config-reloader",)),
    Image("traefik", "programs", ("traefik",)),
)


def load(folders: Folders, only: tuple[str, ...] = ()) -> None:
    """Have the images (or those named) in the node; an archive that is there already is neither built nor loaded."""
    for image in IMAGES:
        if not only or image.target in only:
            archive = _built(folders, image)
            mark = folders.state / "loaded" / image.target
            if not mark.exists() or mark.read_text() != archive.name:
                node.import_image(folders, archive)
                mark.parent.mkdir(exist_ok=True)
                mark.write_text(archive.name)


def _built(folders: Folders, image: Image) -> Path:
    archive = folders.images / f"{image.target}-{_recipe(folders, image)}.tar"
    if not archive.exists():
        say(f"building the image {image.name}")
        archive.parent.mkdir(parents=True, exist_ok=True)
        contexts = {f"{each}-program": folder_of(folders, each) for each in image.programs}
        with Buildah(folders) as buildah:
            buildah.build(image.name, HERE / "images" / image.recipe, target=image.target, contexts=contexts)
            buildah.save(image.name, archive)
    return archive


def _recipe(folders: Folders, image: Image) -> str:
    digest = hashlib.sha256(image.target.encode())
    for path in sorted((HERE / "images" / image.recipe).rglob("*")):
        digest.update(path.name.encode() + path.read_bytes())
    for each in image.programs:
        digest.update(folder_of(folders, each).name.encode())
    return digest.hexdigest()[:16]
