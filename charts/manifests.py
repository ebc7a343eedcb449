"""Renders the plain manifests in k8s/ from the chart: one file per component, without Helm's own labels."""

import argparse
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[1]
CHART = ROOT / "charts" / "jobfinder"
FOLDER = ROOT / "k8s"
DEFINITION = ROOT / "operator" / "jobfinder_operator" / "crd.yaml"
COPY_OF_DEFINITION = CHART / "crds" / "jobfinderconfigs.jobfinder.dev.yaml"

NAME = "jobfinder"
KUBERNETES = "1.34"
_HELMS_LABELS = ("helm.sh/chart", "app.kubernetes.io/managed-by")
_HEADER = "# Made of charts/jobfinder by `make k8s`: change the chart or values.yaml, or lay a kustomization over it.\n"
_VARIANTS = (".", "with-operator")  # folders of k8s/; the values.yaml of each overrides that of the first

Manifest = dict[str, Any]


class _Dumper(yaml.SafeDumper):
    """Writes multi-line texts as YAML blocks."""


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _text)


def rendered(helm: str) -> dict[Path, str]:
    """The text of each file of k8s/ by its path there; raises subprocess.CalledProcessError if Helm fails."""
    return {Path(folder, name): text for folder in _VARIANTS for name, text in _variant(helm, folder).items()}


def _variant(helm: str, folder: str) -> dict[str, str]:
    values = [FOLDER / "values.yaml", FOLDER / folder / "values.yaml"]
    command = [helm, "template", NAME, str(CHART), "--namespace", NAME, "--kube-version", KUBERNETES, "--no-hooks"]
    command += [part for path in values for part in ("--values", str(path))]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout  # noqa: S603
    files: dict[str, list[Manifest]] = {}
    for manifest in filter(None, yaml.safe_load_all(output)):
        name = _component(manifest) if "namespace" in manifest["metadata"] else "cluster"
        files.setdefault(f"{name}.yaml", []).append(_plain(manifest))
    texts = {name: _dumped(manifests) for name, manifests in sorted(files.items())}
    # Not in the kustomization: it would set a namespace, and deleting it would delete these for the whole cluster.
    cluster = texts.pop("cluster.yaml", "")
    texts["kustomization.yaml"] = _dumped([_kustomization(list(texts))])
    if "operator.yaml" in texts and (resource := definition()):
        texts["cluster.yaml"] = "---\n".join(filter(None, (cluster, resource)))
    return texts


def definition() -> str | None:
    """The text of the operator's CustomResourceDefinition, if the file exists."""
    return DEFINITION.read_text() if DEFINITION.exists() else None


def _component(manifest: Mapping[str, Any]) -> str:
    return str(manifest["metadata"]["labels"]["app.kubernetes.io/component"])


def _plain(manifest: Manifest) -> Manifest:
    """The manifest without Helm's labels."""
    for name in _HELMS_LABELS:
        manifest["metadata"]["labels"].pop(name, None)
    return manifest


def _kustomization(files: list[str]) -> Manifest:
    return {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "namespace": NAME,
        "resources": files,
    }


def _dumped(manifests: list[Manifest]) -> str:
    texts = (yaml.dump(each, Dumper=_Dumper, sort_keys=False, width=120) for each in manifests)
    return _HEADER + "---\n".join(texts)


def main() -> None:
    """Write the files of k8s/ and the chart's copy of the CustomResourceDefinition."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--helm", default=shutil.which("helm"), help="the program helm, 3.14 or newer")
    chosen = parser.parse_args()
    if chosen.helm is None:
        sys.exit("helm is not on the PATH; --helm names the program")
    if (text := definition()) is not None:
        COPY_OF_DEFINITION.parent.mkdir(exist_ok=True)
        COPY_OF_DEFINITION.write_text(text)
    files = rendered(chosen.helm)
    for stale in set(made()) - set(files):
        (FOLDER / stale).unlink()
    for path, text in files.items():
        (FOLDER / path).write_text(text)


def made() -> dict[Path, str]:
    """The generated files that k8s/ has now, by path."""
    found = (path for path in FOLDER.rglob("*.yaml") if path.name != "values.yaml")
    return {path.relative_to(FOLDER): path.read_text() for path in found}


if __name__ == "__main__":
    main()
