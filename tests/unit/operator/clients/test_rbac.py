"""The operator's permissions are exactly those that it uses."""

import asyncio
import json
import re
from pathlib import Path
from typing import Any, cast

import httpx2
import kopf
import yaml
from lightkube.config.kubeconfig import KubeConfig
from lightkube.config.models import Cluster, User
from lightkube.core.async_client import AsyncClient
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.core_v1 import ConfigMap

from jobfinder_operator import handlers
from jobfinder_operator.clients.cluster import KubernetesCluster, Notice
from jobfinder_operator.clients.lease import LeaseRecord
from jobfinder_operator.clients.rbac import RULES

ROOT = Path(__file__).parents[4]
ROLE = ROOT / "charts/jobfinder/templates/operator/role.yaml"
PATH = re.compile(
    r"/(?:api|apis/(?P<group>[^/]+))/[^/]+/namespaces/test/(?P<resource>[^/]+)(?P<named>/[^/]+)?(?P<sub>/.+)?"
)
VERBS = {"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}

Use = tuple[str, str, str]


class Recorder(httpx2.AsyncBaseTransport):
    """Answers every request, and records which verb was used on which resource."""

    def __init__(self) -> None:
        self.uses: set[Use] = set()

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        found = PATH.fullmatch(request.url.path)
        assert found, request.url.path
        verb = VERBS.get(request.method) or ("get" if found["named"] else "list")
        self.uses.add((found["group"] or "", found["resource"] + (found["sub"] or ""), verb))
        body: dict[str, Any] = {"metadata": {"name": "x", "resourceVersion": "1"}}
        if verb in ("create", "update"):
            body = json.loads(request.content)
            body["metadata"]["resourceVersion"] = "2"
        else:
            body["items" if verb == "list" else "spec"] = [] if verb == "list" else SPECS.get(found["resource"], {})
        return httpx2.Response(200, json=body, request=request)


SPECS: dict[str, dict[str, Any]] = {
    "pods": {"containers": []},
    "deployments": {"selector": {}, "template": {}},
    "statefulsets": {"selector": {}, "template": {}, "serviceName": "x"},
}


async def use_everything(cluster: KubernetesCluster) -> None:
    """Call each method of the client once, with any arguments."""
    resource = {"metadata": {"name": "x", "namespace": "test", "uid": "u", "resourceVersion": "1"}, "spec": {}}
    record = LeaseRecord("me", 10, "1")
    calls: dict[str, tuple[Any, ...]] = {
        "resources": (),
        "resource": ("x",),
        "write_status": (resource, {}),
        "deployments": ({},),
        "deployment": ("x",),
        "stateful_sets": ({},),
        "stateful_set": ("x",),
        "autoscalers": (),
        "pods": ({},),
        "annotate_pod": ("x", {}),
        "config_map": ("x",),
        "patch_config_map": (ConfigMap(metadata=ObjectMeta(name="x")), {}, {}),
        "tell": (resource, Notice("Reason", "words")),
        "read_lease": ("x",),
        "create_lease": ("x", "me", 10.0),
        "replace_lease": ("x", record),
    }
    methods = {name for name in vars(KubernetesCluster) if not name.startswith("_")} - {"close", "from_environment"}
    assert methods == set(calls)
    for name, arguments in calls.items():
        await getattr(cluster, name)(*arguments)


def used_by_the_client() -> set[Use]:
    recorder = Recorder()

    async def run() -> None:
        config = KubeConfig.from_one(cluster=Cluster(server="http://api.test"), user=User(token="t")).get()
        cluster = KubernetesCluster(AsyncClient(config, namespace="test", transport=recorder))
        await use_everything(cluster)
        await cluster.close()

    asyncio.run(run())
    return recorder.uses


def used_by_kopf() -> set[Use]:
    """kopf lists and watches the resources that have handlers."""
    assert handlers.COMPONENT
    registry = kopf.get_default_registry()
    selectors = [each.selector for each in registry._watching.get_all_handlers()]
    kinds = {(selector.group or "", str(selector.any_name)) for selector in selectors if selector is not None}
    assert not registry._changing.get_all_handlers(), "these write annotations and finalizers"
    assert not registry._spawning.get_all_handlers(), "these write finalizers"
    return {(("" if group == "v1" else group), name, verb) for group, name in kinds for verb in ("list", "watch")}


def allowed_by_the_chart() -> set[tuple[str, str, str, bool]]:
    text = "\n".join(line for line in ROLE.read_text().splitlines() if not line.strip().startswith("{{"))
    documents = yaml.safe_load_all(re.sub(r"\{\{.*?\}\}", "templated", text))
    role = next(each for each in documents if each["kind"] == "Role")
    return {
        (group, resource, verb, "resourceNames" in rule)
        for rule in cast(list[dict[str, Any]], role["rules"])
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }


def test_each_verb_is_used_and_each_use_is_listed() -> None:
    assert used_by_the_client() | used_by_kopf() == {(each.group, each.resource, each.verb) for each in RULES}


def test_chart_allows_exactly_the_listed_verbs() -> None:
    assert allowed_by_the_chart() == {(each.group, each.resource, each.verb, each.named) for each in RULES}


def test_no_rule_grants_wildcards_or_secrets() -> None:
    assert not [each for each in RULES if "*" in (each.group, each.resource, each.verb) or "secrets" in each.resource]
    assert json.dumps([each.why for each in RULES])
