"""All kopf handlers: each only notifies the operator of a change.

All are `on.event`, so that kopf writes nothing to any object: no finalizer, no annotation, no status.
"""

import logging
from dataclasses import replace
from typing import Any

import kopf

from jobfinder_operator.config import api_server, load_settings
from jobfinder_operator.runtime import Operator

COMPONENT = "app.kubernetes.io/component"


@kopf.on.startup(errors=kopf.ErrorsMode.PERMANENT)
async def start(settings: kopf.OperatorSettings, memo: kopf.Memo, **_: Any) -> None:
    loaded = load_settings()
    settings.posting.enabled = False
    settings.scanning.disabled = True
    settings.peering.standalone = True
    kopf.configure(log_format=kopf.LogFormat.JSON)
    logging.getLogger().setLevel(loaded.log_level)
    for chatty in ("httpx2", "kopf.objects"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    memo.operator = Operator(loaded)
    memo.operator.start()


@kopf.on.login()
def log_in(**given: Any) -> kopf.ConnectionInfo | None:
    """Authenticates with the pod's service account, or with $KUBECONFIG."""
    found = kopf.login_with_service_account(**given)
    if found is not None and (server := api_server()):
        return replace(found, server=server)
    return kopf.login_with_kubeconfig(**given)


@kopf.on.cleanup()
async def stop(memo: kopf.Memo, **_: Any) -> None:
    await memo.operator.stop()


@kopf.on.event("jobfinder.dev", "v1alpha1", "jobfinderconfigs")
async def resource_changed(memo: kopf.Memo, name: str, body: kopf.Body, event: kopf.RawEvent, **_: Any) -> None:
    if event["type"] == "DELETED":
        await memo.operator.gone(name)
    else:
        memo.operator.changed(dict(body))


@kopf.on.event("v1", "pods", labels={COMPONENT: "app"})
@kopf.on.event("v1", "pods", labels={COMPONENT: "worker"})
@kopf.on.event("v1", "pods", labels={COMPONENT: "realtime"})
@kopf.on.event("v1", "pods", labels={COMPONENT: "memcached"})
@kopf.on.event("apps", "v1", "deployments", labels={COMPONENT: "app"})
@kopf.on.event("apps", "v1", "deployments", labels={COMPONENT: "worker"})
@kopf.on.event("apps", "v1", "deployments", labels={COMPONENT: "realtime"})
@kopf.on.event("autoscaling", "v2", "horizontalpodautoscalers")
async def surroundings_changed(memo: kopf.Memo, event: kopf.RawEvent, body: kopf.Body, **_: Any) -> None:
    if event["type"] == "DELETED" and body.get("kind") == "Pod":
        memo.operator.pod_deleted(body)
    memo.operator.wake()
