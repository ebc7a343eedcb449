"""Persistent volumes of the default StorageClass: folders of the node that are created in advance."""

import json
import shutil
from pathlib import Path
from typing import Any

from tests.e2e.cluster.config import NODE, Folders
from tests.e2e.cluster.servers.control_plane import kubectl

_COUNT = 30
_SIZE = "16Gi"
_CLASS = "node"
# There is no provisioner: `apply` recycles released volumes.
_STORAGE_CLASS: dict[str, Any] = {
    "apiVersion": "storage.k8s.io/v1",
    "kind": "StorageClass",
    "metadata": {"name": _CLASS, "annotations": {"storageclass.kubernetes.io/is-default-class": "true"}},
    "provisioner": "kubernetes.io/no-provisioner",
    "volumeBindingMode": "WaitForFirstConsumer",
}


def apply(folders: Folders) -> None:
    """Create the StorageClass and all volumes; released volumes are emptied and created again."""
    for volume in json.loads(kubectl(folders, "get", "persistentvolumes", "--output=json"))["items"]:
        if volume["status"]["phase"] == "Released" and volume["spec"].get("storageClassName") == _CLASS:
            name = volume["metadata"]["name"]
            kubectl(folders, "delete", "persistentvolume", name)
            shutil.rmtree(_folder(folders, name), ignore_errors=True)
    volumes = [_volume(folders, f"node-{number:02}") for number in range(_COUNT)]
    listed = {"apiVersion": "v1", "kind": "List", "items": [_STORAGE_CLASS, *volumes]}
    kubectl(folders, "apply", "--filename=-", given=json.dumps(listed))


def _volume(folders: Folders, name: str) -> dict[str, Any]:
    """`local` rather than `hostPath`: the kubelet applies the pod's `fsGroup` to it, as to a cloud's disks."""
    folder = _folder(folders, name)
    folder.mkdir(parents=True, exist_ok=True)
    here = {"key": "kubernetes.io/hostname", "operator": "In", "values": [NODE]}
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": name},
        "spec": {
            "storageClassName": _CLASS,
            "capacity": {"storage": _SIZE},
            "accessModes": ["ReadWriteOnce"],
            "persistentVolumeReclaimPolicy": "Retain",
            "local": {"path": str(folder)},
            "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [here]}]}},
        },
    }


def _folder(folders: Folders, name: str) -> Path:
    return folders.state / "volumes" / name
