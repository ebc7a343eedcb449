"""A real API server accepts every object of the chart and of the plain manifests under restricted Pod Security."""

import yaml

from charts.manifests import COPY_OF_DEFINITION, FOLDER
from tests.e2e.chart.rendering import NAMESPACE, VARIANTS, render
from tests.e2e.cluster.access import Cluster

RESTRICTED = f"""\
apiVersion: v1
kind: Namespace
metadata:
  name: {NAMESPACE}
  labels:
    pod-security.kubernetes.io/enforce: restricted
    pod-security.kubernetes.io/warn: restricted
"""


def test_every_object_is_accepted_without_warnings(cluster: Cluster) -> None:
    cluster.apply(RESTRICTED)
    cluster.kubectl("apply", "--server-side", "--force-conflicts", "--filename", str(COPY_OF_DEFINITION))
    try:
        for values in VARIANTS.values():
            _apply(cluster, yaml.safe_dump_all(render(values)))
        _apply(cluster, (FOLDER / "with-operator" / "cluster.yaml").read_text())
        for folder in (FOLDER, FOLDER / "with-operator"):
            _apply(
                cluster,
                cluster.kubectl("kustomize", str(folder)).replace("namespace: jobfinder", f"namespace: {NAMESPACE}"),
            )
    finally:
        cluster.kubectl("delete", "namespace", NAMESPACE)


def _apply(cluster: Cluster, text: str) -> None:
    """Dry run on the server; warnings and unknown fields are errors."""
    arguments = ("apply", "--dry-run=server", "--validate=strict", "--warnings-as-errors", "--filename=-")
    cluster.kubectl(*arguments, given=text)
