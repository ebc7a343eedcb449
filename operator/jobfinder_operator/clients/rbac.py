"""Every API verb that the operator uses, and why: the chart's Role has exactly these."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Rule:
    """`named`: only on one object, by its name."""

    group: str
    resource: str
    verb: str
    why: str
    named: bool = False


RULES = (
    Rule("jobfinder.dev", "jobfinderconfigs", "list", "find all resources"),
    Rule("jobfinder.dev", "jobfinderconfigs", "watch", "an edit wakes the loop"),
    Rule("jobfinder.dev", "jobfinderconfigs", "get", "each round reads it, and the ledger in its status"),
    Rule("jobfinder.dev", "jobfinderconfigs/status", "update", "each round records before it acts"),
    Rule("apps", "deployments", "list", "kopf; find the Deployment if spec.target does not name it"),
    Rule("apps", "deployments", "watch", "a rollout wakes the loop"),
    Rule("apps", "deployments", "get", "replicas, surge, the pool size that pods start with"),
    Rule("apps", "statefulsets", "list", "find memcached if spec.target does not name it"),
    Rule("apps", "statefulsets", "get", "the memory limit of memcached's containers"),
    Rule("autoscaling", "horizontalpodautoscalers", "list", "how many pods there can be"),
    Rule("autoscaling", "horizontalpodautoscalers", "watch", "a changed maximum wakes the loop"),
    Rule("", "pods", "list", "the pods that may have connections"),
    Rule("", "pods", "watch", "a pod that starts or ends wakes the loop"),
    Rule("", "pods", "patch", "one annotation (see the admission policy), so the kubelet updates the tuning at once"),
    Rule("", "configmaps", "get", "the tuning file", named=True),
    Rule("", "configmaps", "patch", "the tuning file", named=True),
    Rule("", "events", "create", "report changes, refusals and drift"),
    Rule("coordination.k8s.io", "leases", "create", "the first operator creates the Lease"),
    Rule("coordination.k8s.io", "leases", "get", "which operator acts", named=True),
    Rule("coordination.k8s.io", "leases", "update", "renewed every two seconds", named=True),
)
