"""The shipped images are small, run without root, and hold no build tools, secrets or settings of the build machine."""

import json
import re
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import pytest

from tests.e2e.cluster.access import Cluster
from tests.e2e.cluster.config import folders, kubeconfig_of_the_user

LARGEST = 250_000_000
COMPILERS = re.compile(r"(^|/)(g?cc|cc1|c\+\+|g\+\+|ld|make|pip3?|uv)(-\d+)?$")
SECRETS = re.compile(r"\.(pem|key|p12)$|(^|/)(\.netrc|\.pypirc|pip\.conf|id_[a-z0-9]+|.*\.env)$")
CERTIFICATES = re.compile(r"^(etc/ssl|usr/share/ca-certificates)/|certifi/cacert\.pem$")


@dataclass(frozen=True)
class Image:
    """`files`: paths of the non-empty files that a container sees; `bytes`: total size of the files of all layers."""

    config: dict[str, Any]
    files: frozenset[str]
    bytes: int


def read(archive: Path) -> Image:
    """Read an archive in `docker save` format: manifest.json names the configuration and the layers, lowest first."""
    with tarfile.open(archive) as saved:
        (manifest,) = json.load(member(saved, "manifest.json"))
        files: set[str] = set()
        size = 0
        for layer in manifest["Layers"]:
            for name, length in entries(member(saved, layer)):
                size += length
                folder, _, last = name.rpartition("/")
                if last.startswith(".wh."):
                    gone = f"{folder}/{last.removeprefix('.wh.')}".lstrip("/")
                    files = {each for each in files if each != gone and not each.startswith(f"{gone}/")}
                elif length:
                    files.add(name)
        return Image(json.load(member(saved, manifest["Config"]))["config"], frozenset(files), size)


def entries(layer: IO[bytes]) -> Iterator[tuple[str, int]]:
    """Yield (path, size in bytes) of every entry that is not a folder."""
    with tarfile.open(fileobj=layer) as files:
        for each in files:
            if not each.isdir():
                yield each.name.removeprefix("./"), each.size


def member(saved: tarfile.TarFile, name: str) -> IO[bytes]:
    found = saved.extractfile(name)
    assert found is not None, name
    return found


@pytest.fixture(scope="module", params=["jobfinder", "jobfinder-operator"])
def image(request: pytest.FixtureRequest, cluster: Cluster) -> Image:
    if kubeconfig_of_the_user() is not None:
        pytest.skip("the images of another cluster were not built here")
    (archive,) = folders().images.glob(f"{request.param}@*.tar")
    return read(archive)


def test_image_is_smaller_than_250_mb(image: Image) -> None:
    assert image.bytes < LARGEST


def test_image_runs_as_a_non_root_user(image: Image) -> None:
    assert image.config["User"] == "10001:10001"


def test_image_has_oci_labels(image: Image) -> None:
    labels = image.config["Labels"]
    names = {"title", "description", "version", "revision"}
    assert {f"org.opencontainers.image.{name}" for name in names} <= set(labels)


def test_image_has_no_compiler_or_installer(image: Image) -> None:
    assert sorted(each for each in image.files if COMPILERS.search(each)) == []


def test_image_has_no_secret(image: Image) -> None:
    found = [each for each in image.files if SECRETS.search(each) and not CERTIFICATES.search(each)]
    assert sorted(found) == []
    assert not [
        each for each in image.config["Env"] if re.search(r"PASS|TOKEN|SECRET|PEPPER|KEY", each.partition("=")[0])
    ]


def test_image_has_no_repository_and_no_graphiql(image: Image) -> None:
    assert [each for each in image.files if re.search(r"(^|/)\.(git|svn|hg)(/|$)|graphiql\.(js|css)", each)] == []


def test_image_has_no_settings_of_the_build_machine(image: Image) -> None:
    assert not [
        each
        for each in image.files
        if re.match(r"(etc/apt/apt\.conf\.d/.*proxy|root/\.(cache|config|ssh)/|build/)", each)
    ]
    assert not [
        each for each in image.config["Env"] if re.search(r"proxy|index", each.partition("=")[0], re.IGNORECASE)
    ]
