"""An SMTP server in a release's namespace, and the mails that it has taken."""

from email import message_from_string
from email.policy import default

from tests.e2e.platform.by_hand import in_one, secret
from tests.e2e.platform.release import Release

NAME, PORT = "mail-server", 2525
LABELS = {"app.kubernetes.io/component": NAME}
PAGES = "https://jobs.example/account"
VALUES = {
    "worker": {"enabled": True, "resources": {"requests": {"cpu": "10m", "memory": "64Mi"}}},
    "mail": {"existingSecret": "mail", "from": "Jobs <no-reply@jobs.example>", "pagesUrl": PAGES},
}
BEGIN, END = "---------- MESSAGE FOLLOWS ----------\n", "------------ END MESSAGE ------------\n"


def manifests() -> str:
    """The server, which only its namespace reaches, and the Secret that VALUES name."""
    container = {
        "name": "server",
        "image": f"localhost/{NAME}:e2e",
        "imagePullPolicy": "IfNotPresent",
        "readinessProbe": {"tcpSocket": {"port": PORT}, "periodSeconds": 1},
        "resources": {"requests": {"cpu": "10m", "memory": "32Mi"}},
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
    }
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": NAME, "labels": LABELS},
        "spec": {
            "terminationGracePeriodSeconds": 0,
            "automountServiceAccountToken": False,
            "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
            "containers": [container],
        },
    }
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": NAME},
        "spec": {"selector": LABELS, "ports": [{"port": PORT}]},
    }
    policy = {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": NAME},
        "spec": {"podSelector": {"matchLabels": LABELS}, "ingress": [{"from": [{"podSelector": {}}]}]},
    }
    url = f"smtp://{NAME}:{PORT}?starttls=never"
    return in_one([secret("mail", {"mail-url": url}), pod, service, policy])


def mails_to(address: str, release: Release) -> list[str]:
    """The plain text of each mail to `address`, the oldest first."""
    log = release.kubectl("logs", NAME)
    mails = [message_from_string(each.partition(END)[0], policy=default) for each in log.split(BEGIN)[1:]]
    bodies = [each.get_body(("plain",)) for each in mails if each["To"] == address]
    return [each.get_content() for each in bodies if each is not None]
