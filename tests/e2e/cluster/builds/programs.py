"""Builds the Go programs of go/ from pinned modules, once for the same inputs, into the cache."""

import contextlib
import fcntl
import hashlib
import os
import re
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.e2e.cluster.config import GO, KUBERNETES, ClusterError, Folders, go_version_needed
from tests.e2e.cluster.shell import run, say

_SETTINGS = {"CGO_ENABLED": "0", "GOFLAGS": "-mod=readonly -buildvcs=false", "GOTOOLCHAIN": "local"}
_KUBERNETES_NAMES = (
    "kube-apiserver",
    "kube-controller-manager",
    "kube-scheduler",
    "kubelet",
    "kube-proxy",
    "kubectl",
)


@dataclass(frozen=True)
class Program:
    """A main package of the module in go/`module`; `names` are more names that it is linked by."""

    name: str
    module: str
    package: str
    linker_flags: str = "-s -w"
    names: tuple[str, ...] = ()
    manifests: tuple[str, str] | None = None  # a Go module and the folder in it

    @property
    def folder(self) -> Path:
        return GO / self.module


_OPERATOR = "github.com/prometheus-operator/prometheus-operator/cmd"

# In the order in which they are needed; the slowest build comes last.
PROGRAMS = (
    Program(
        "kube",
        "kubernetes",
        ".",
        f"-s -w -X k8s.io/component-base/version.gitVersion=v{KUBERNETES}",
        _KUBERNETES_NAMES,
    ),
    Program("pause", "pause", "."),
    Program("coredns", "coredns", "github.com/coredns/coredns"),
    Program("helm", "helm", "helm.sh/helm/v3/cmd/helm"),
    Program(
        "metrics-server",
        "metrics-server",
        "sigs.k8s.io/metrics-server/cmd/metrics-server",
        manifests=("sigs.k8s.io/metrics-server", "manifests/base"),
    ),
    Program("kubeconform", "kubeconform", "github.com/yannh/kubeconform/cmd/kubeconform"),
    Program("kube-router", "kube-router", "github.com/cloudnativelabs/kube-router/v2/cmd/kube-router"),
    Program(
        "prometheus-operator",
        "prometheus-operator",
        f"{_OPERATOR}/operator",
        manifests=("github.com/prometheus-operator/prometheus-operator", "example/prometheus-operator-crd"),
    ),
    Program("prometheus-config-reloader", "prometheus-operator", f"{_OPERATOR}/prometheus-config-reloader"),
    Program(
        "traefik",
        "traefik",
        "github.com/traefik/traefik/v3/cmd/traefik",
        manifests=("sigs.k8s.io/gateway-api", "config/crd/standard"),
    ),
)


def build_all(folders: Folders, wanted: tuple[str, ...] = ()) -> None:
    """Build all programs, or those in `wanted`, into the cache; raises ClusterError if Go is missing or too old."""
    missing = [each for each in PROGRAMS if not wanted or each.name in wanted]
    missing = [each for each in missing if not _complete(folders, each)]
    if missing:
        _check_go()
    for program in missing:
        with _alone(folders):
            if not _complete(folders, program):
                _build(folders, program)
    for program in PROGRAMS:
        if _complete(folders, program):
            for name in (program.name, *program.names):
                _link(folders.programs / name, _built(folders, program))


def manifests(folders: Folders, name: str) -> Path:
    """The folder of manifests that the program `name` publishes: custom resource definitions or its deployment."""
    return _manifests(folders, next(each for each in PROGRAMS if each.name == name))


def folder_of(folders: Folders, name: str) -> Path:
    """The folder that holds the program `name`; its name has a hash of all inputs."""
    return _built(folders, next(each for each in PROGRAMS if each.name == name)).parent


@contextlib.contextmanager
def _alone(folders: Folders) -> Iterator[None]:
    """Hold a file lock, so that two runs do not build the same program at once."""
    folders.cache.mkdir(parents=True, exist_ok=True)
    with (folders.cache / "programs.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _build(folders: Folders, program: Program) -> None:
    """Build one program at low priority, because a build uses every core for minutes."""
    started = time.monotonic()
    say(f"building {program.name} (kube takes about 6 minutes, traefik 10, others 1 to 3)")
    _copy_manifests(folders, program)
    built = _built(folders, program)
    if built.exists():
        return
    built.parent.mkdir(parents=True, exist_ok=True)
    unfinished = built.with_suffix(f".{os.getpid()}")
    command: list[str | Path] = [
        "nice",
        "go",
        "build",
        "-trimpath",
        "-ldflags",
        program.linker_flags,
        "-o",
        unfinished,
        program.package,
    ]
    # With less frequent garbage collection the compiler needs more memory and less time.
    run(*command, folder=program.folder, changes={**_SETTINGS, "GOGC": "400"}, timeout_s=3600)
    unfinished.replace(built)
    say(f"built {program.name} in {time.monotonic() - started:.0f} s")


def _copy_manifests(folders: Folders, program: Program) -> None:
    """Copy them out of Go's module cache, so that a cluster can start without Go."""
    if program.manifests is None or (target := _manifests(folders, program)).exists():
        return
    module, folder = program.manifests
    run("go", "mod", "download", module, folder=program.folder, changes=_SETTINGS)
    found = run("go", "list", "-m", "-f", "{{.Dir}}", module, folder=program.folder, changes=_SETTINGS)
    shutil.copytree(Path(found.strip(), folder), target)


def _complete(folders: Folders, program: Program) -> bool:
    published = program.manifests is None or _manifests(folders, program).exists()
    return published and _built(folders, program).exists()


def _manifests(folders: Folders, program: Program) -> Path:
    return _built(folders, program).parent / "manifests"


def _built(folders: Folders, program: Program) -> Path:
    recipe = hashlib.sha256(repr((program.package, program.linker_flags, _SETTINGS)).encode())
    for path in sorted(program.folder.iterdir()):
        recipe.update(path.name.encode() + path.read_bytes())
    return folders.cache / "programs" / f"{program.name}-{recipe.hexdigest()[:16]}" / program.name


def _link(link: Path, target: Path) -> None:
    if link.is_symlink() and link.readlink() == target:
        return
    link.parent.mkdir(parents=True, exist_ok=True)
    link.unlink(missing_ok=True)
    link.symlink_to(target)


def _check_go() -> None:
    needed = go_version_needed()
    wish = f"Go {'.'.join(map(str, needed))} or newer is needed on PATH to build Kubernetes (go.dev/dl)"
    if shutil.which("go") is None:
        raise ClusterError(f"{wish}; there is none")
    found = run("go", "env", "GOVERSION").strip()
    version = tuple(map(int, re.findall(r"\d+", found)))
    if version < needed:
        raise ClusterError(f"{wish}; {shutil.which('go')} is {found}")
