"""The cluster's certificates and the kubeconfigs of its components."""

import base64
import json
from pathlib import Path

from tests.e2e.cluster.config import API_PORT, DOMAIN, HOST_ADDRESS, KUBERNETES_SERVICE, NODE, Folders
from tests.e2e.cluster.shell import run

_DAYS = "30"
_KUBELET = f"/O=system:nodes/CN=system:node:{NODE}"

# File name -> subject: the organization is the group that RBAC sees (Kubernetes: PKI certificates and requirements).
_CLIENTS = {
    "admin": "/O=system:masters/CN=admin",
    "kubelet-client": "/O=system:masters/CN=kube-apiserver",
    "controller-manager": "/CN=system:kube-controller-manager",
    "scheduler": "/CN=system:kube-scheduler",
    "kubelet": _KUBELET,
    "proxy": "/CN=system:kube-proxy",
    "kube-router": "/CN=kube-router",
    "front-proxy": "/CN=front-proxy",
}


def create(folders: Folders) -> None:
    """Create every key, certificate and kubeconfig."""
    pki = folders.pki
    pki.mkdir(parents=True, exist_ok=True)
    pki.chmod(0o700)
    for authority in ("ca", "front-proxy-ca"):
        create_authority(pki, authority)
    run("openssl", "genrsa", "-out", pki / "service-accounts.key", "2048")
    create_certificate(pki, "apiserver", "/CN=kube-apiserver", "ca", f"subjectAltName={_names()}")
    for name, subject in _CLIENTS.items():
        create_certificate(
            pki, name, subject, "front-proxy-ca" if name == "front-proxy" else "ca", "extendedKeyUsage=clientAuth"
        )
    for name in ("controller-manager", "scheduler", "kubelet", "proxy", "kube-router"):
        _kubeconfig(pki, name, pki / f"{name}.conf")
    _kubeconfig(pki, "admin", folders.kubeconfig)


def create_authority(pki: Path, name: str) -> None:
    """A self-signed certificate `<name>.crt` and its key `<name>.key` in the folder `pki`.

    It has the extensions that RFC 5280 requires, as kubeadm's has, because Python 3.13 and newer check them.
    """
    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", pki / f"{name}.key")
    use = ("-addext", "keyUsage=critical,digitalSignature,keyEncipherment,keyCertSign")
    run("openssl", "req", "-x509", *key, "-days", _DAYS, "-subj", f"/CN={name}", *use, "-out", pki / f"{name}.crt")


def create_certificate(pki: Path, name: str, subject: str, authority: str, extension: str) -> None:
    """`<name>.crt` and `<name>.key`, signed by an authority of the same folder, with one more X.509 extension."""
    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", pki / f"{name}.key")
    request = run("openssl", "req", *key, "-subj", subject)
    extensions = pki / f"{name}.ext"
    extensions.write_text(f"{extension}\nsubjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n")
    signer = ("-CA", pki / f"{authority}.crt", "-CAkey", pki / f"{authority}.key", "-CAcreateserial")
    out = ("-days", _DAYS, "-extfile", extensions, "-out", pki / f"{name}.crt")
    run("openssl", "x509", "-req", *signer, *out, given=request)


def _names() -> str:
    service = ("kubernetes", "kubernetes.default", "kubernetes.default.svc", f"kubernetes.default.svc.{DOMAIN}")
    addresses = ("127.0.0.1", HOST_ADDRESS, KUBERNETES_SERVICE)
    return ",".join([*(f"DNS:{each}" for each in (*service, "localhost")), *(f"IP:{each}" for each in addresses)])


def _kubeconfig(pki: Path, client: str, path: Path) -> None:
    """Write a kubeconfig as JSON, which is valid YAML, with certificates and key embedded."""
    cluster = {"server": f"https://{HOST_ADDRESS}:{API_PORT}", "certificate-authority-data": _encoded(pki / "ca.crt")}
    user = {
        "client-certificate-data": _encoded(pki / f"{client}.crt"),
        "client-key-data": _encoded(pki / f"{client}.key"),
    }
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "jobfinder-e2e", "cluster": cluster}],
        "users": [{"name": client, "user": user}],
        "contexts": [{"name": "jobfinder-e2e", "context": {"cluster": "jobfinder-e2e", "user": client}}],
        "current-context": "jobfinder-e2e",
    }
    path.touch(mode=0o600)
    path.write_text(json.dumps(config, indent=1))


def _encoded(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode()
