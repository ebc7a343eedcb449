"""What each value adds, removes and changes."""

from typing import Any

import pytest

from app.infra.pgbouncer.watch import ANSWER_S, HUNG
from tests.e2e.chart.rendering import (
    BARE,
    BUNDLED,
    CHART,
    EVERYTHING,
    EXTERNAL,
    Values,
    container,
    environment,
    helm,
    named,
    objects,
    pods,
    render,
)
from tests.e2e.cluster.shell import run

OPERATOR = {"operator": {"enabled": True, "existingSecret": "own-operator", "tls": {"existingSecret": "own-tls"}}}

ADDED: dict[str, tuple[Values, set[str]]] = {
    "ingress": ({"ingress": {"enabled": True, "hosts": ["a.example"]}}, {"Ingress/jobfinder"}),
    "httpRoute": (
        {"httpRoute": {"enabled": True, "parentRefs": [{"name": "g"}], "hostnames": ["a.example"]}},
        {"HTTPRoute/jobfinder"},
    ),
    "serviceMonitor": ({"monitoring": {"serviceMonitor": {"enabled": True}}}, {"ServiceMonitor/jobfinder"}),
    "rules": ({"monitoring": {"rules": {"enabled": True}}}, {"PrometheusRule/jobfinder"}),
    "operator": (
        OPERATOR,
        {
            f"{kind}/jobfinder-operator"
            for kind in ("Deployment", "Service", "ServiceAccount", "Role", "RoleBinding", "NetworkPolicy", "Lease")
        }
        | {f"{kind}/jobfinder-operator-crd" for kind in ("Job", "ServiceAccount", "NetworkPolicy")}
        | {f"{kind}/jobs-jobfinder-operator-crd" for kind in ("ClusterRole", "ClusterRoleBinding")}
        | {f"ValidatingAdmissionPolicy{part}/jobs-jobfinder-operator" for part in ("", "Binding")}
        | {"JobFinderConfig/jobfinder"},
    ),
    "extraObjects": (
        {"extraObjects": [{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "{{ .Release.Name }}-x"}}]},
        {"ConfigMap/jobfinder-x"},
    ),
}
REMOVED: dict[str, tuple[Values, set[str]]] = {
    "memcached": (
        {"memcached": {"enabled": False}},
        {f"{kind}/jobfinder-memcached" for kind in ("StatefulSet", "Service", "PodDisruptionBudget", "NetworkPolicy")},
    ),
    "memcached.pdb": ({"memcached": {"pdb": {"enabled": False}}}, {"PodDisruptionBudget/jobfinder-memcached"}),
    "migrations": (
        {"migrations": {"enabled": False}},
        {"Job/jobfinder-migrate", "NetworkPolicy/jobfinder-migrate"},
    ),
    "hpa": ({"hpa": {"enabled": False}}, {"HorizontalPodAutoscaler/jobfinder"}),
    "pdb": ({"pdb": {"enabled": False}}, {"PodDisruptionBudget/jobfinder"}),
    "networkPolicy": (
        {"networkPolicy": {"enabled": False}},
        {f"NetworkPolicy/jobfinder{part}" for part in ("", "-memcached", "-migrate", "-test")},
    ),
    "serviceAccount": ({"serviceAccount": {"create": False}}, {"ServiceAccount/jobfinder"}),
    "tests": (
        {"tests": {"enabled": False}},
        {f"{kind}/jobfinder-test" for kind in ("ConfigMap", "NetworkPolicy", "Pod")},
    ),
}


@pytest.mark.parametrize("name", ADDED)
def test_enabling_the_part_adds_only_its_objects(name: str) -> None:
    values, added = ADDED[name]
    assert objects(render({**EXTERNAL, **values})) - objects(render(EXTERNAL)) == added


@pytest.mark.parametrize("name", REMOVED)
def test_disabling_the_part_removes_only_its_objects(name: str) -> None:
    values, removed = REMOVED[name]
    assert objects(render(EXTERNAL)) - objects(render({**EXTERNAL, **values})) == removed


def test_crd_hook_may_create_crds_and_patch_only_its_own() -> None:
    """It may create the CRD, because Argo CD also runs upgrade hooks in the first sync, before it applies `crds/`."""
    rules = named(render(EVERYTHING), "ClusterRole", "jobs-jobfinder-operator-crd")["rules"]
    assert [(each["resources"], each.get("resourceNames"), each["verbs"]) for each in rules] == [
        (["customresourcedefinitions"], ["jobfinderconfigs.jobfinder.dev"], ["patch"]),
        (["customresourcedefinitions"], None, ["create"]),
    ]


def test_dashboards_are_config_maps_with_their_label() -> None:
    values = {**EXTERNAL, "monitoring": {"dashboards": {"enabled": True, "annotations": {"folder": "jobs"}}}}
    found = [each for each in render(values) if "-dashboard-" in each["metadata"]["name"]]
    assert found
    assert {each["metadata"]["labels"]["grafana_dashboard"] for each in found} == {"1"}
    assert {each["metadata"]["annotations"]["folder"] for each in found} == {"jobs"}


def test_helm_lint_passes() -> None:
    assert "0 chart(s) failed" in run(helm(), "lint", CHART, "--kube-version", "1.34")


def test_names_follow_the_release() -> None:
    assert "Deployment/prod-jobfinder" in objects(render(EXTERNAL, release="prod"))
    assert "Deployment/other" in objects(render({**EXTERNAL, "fullnameOverride": "other"}))


def test_the_pooler_starts_before_the_service_and_ends_after_it() -> None:
    pod = _app(EXTERNAL)
    config, pooler = pod["spec"]["initContainers"]
    assert (config["name"], config["restartPolicy"]) == ("pgbouncer-config", "Always")
    assert config["startupProbe"]["exec"]["command"] == ["test", "-f", "/etc/pgbouncer/pgbouncer.ini"]
    assert (pooler["name"], pooler["restartPolicy"]) == ("pgbouncer", "Always")
    assert pooler["startupProbe"]["exec"]["command"] == ["test", "-S", "/run/pgbouncer/.s.PGSQL.6432"]


def test_a_pooler_that_hangs_is_restarted_soon() -> None:
    config, pooler = _app(EXTERNAL)["spec"]["initContainers"]
    probe = pooler["livenessProbe"]
    assert probe["exec"]["command"] == ["test", "!", "-e", f"/etc/pgbouncer/{HUNG}"]
    assert config["args"] == ["pgbouncer-config", "--watch", "--out", "/etc/pgbouncer"]
    assert probe["terminationGracePeriodSeconds"] < 10  # a stopped process does not handle SIGTERM
    assert probe["periodSeconds"] > ANSWER_S


def test_memcached_servers_lists_every_replica() -> None:
    servers = environment(container(_app({**EXTERNAL, "memcached": {"replicas": 2}}), "app"))["MEMCACHED_SERVERS"]
    assert servers == ",".join(
        f"jobfinder-memcached-{n}.jobfinder-memcached.jobs.svc.cluster.local:11211" for n in range(2)
    )
    assert "MEMCACHED_SERVERS" not in environment(container(_app(BARE), "app"))


FIRST = "jobfinder-memcached-0.jobfinder-memcached.jobs.svc.cluster.local:11211"
SERVERS = {"name": "MEMCACHED_SERVERS", "value": "elsewhere:11211, another:11211"}


@pytest.mark.parametrize(
    ("values", "log"),
    [
        ({}, FIRST),
        ({"memcached": {"replicas": 1}}, FIRST),
        ({"clusterDomain": ""}, "jobfinder-memcached-0.jobfinder-memcached:11211"),
        ({"memcached": {"enabled": False}}, "none"),
        ({"memcached": {"enabled": False}, "extraEnv": [SERVERS]}, "elsewhere:11211"),
        ({"memcached": {"enabled": False}, "extraEnvFrom": [{"configMapRef": {"name": "more"}}]}, None),
    ],
)
def test_migration_sets_the_log_that_the_pods_use(values: Values, log: str | None) -> None:
    manifests = render({**EXTERNAL, **values})
    pod = named(manifests, "Job", "jobfinder-migrate")["spec"]["template"]
    assert container(pod, "migrate")["args"][3:] == (["--log-identity", log] if log else [])
    annotations = named(manifests, "Deployment", "jobfinder")["metadata"]["annotations"]
    assert annotations["jobfinder.dev/log-of-changes"] == (log or "unknown")


def test_settings_are_rendered_as_text() -> None:
    given = environment(container(_app(EVERYTHING), "app"))
    assert (given["REFRESH_TOKEN_SECONDS"], given["PREPARED_STATEMENTS"], given["LOG_REQUESTS"]) == (
        "2592000",
        "false",
        "0.5",
    )
    assert given["TRUSTED_PROXIES"] == "10.0.0.0/8"


def test_routes_and_the_service_have_the_same_prefix() -> None:
    public = [{"path": path, "pathType": "Exact"} for path in ("/", "/docs", "/api/v1/auth/login")]
    origins = ["https://a.example", "http://b:3000"]
    for prefix in ("", "/shared/jobs"):
        manifests = render({**EVERYTHING, "pathPrefix": prefix, "corsOrigins": origins, "publicPaths": public})
        (rule,) = named(manifests, "Ingress", "jobfinder")["spec"]["rules"]
        routes = named(manifests, "HTTPRoute", "jobfinder")["spec"]["rules"]
        paths = {each["path"] for each in rule["http"]["paths"]}
        assert paths == {each["path"]["value"] for route in routes for each in route["matches"]}
        realtime = {f"{prefix}/api/v1/realtime", f"{prefix}/api/v1/realtime/events"}
        assert paths == realtime | {prefix + each["path"] for each in public}
        app = container(named(manifests, "Deployment", "jobfinder")["spec"]["template"], "app")
        assert environment(app)["PATH_PREFIX"] == prefix
        assert environment(app)["CORS_ORIGINS"] == "https://a.example,http://b:3000"
        assert app["readinessProbe"]["httpGet"]["path"] == "/api/v1/health/ready"


def test_extra_values_reach_the_pods() -> None:
    deployment = named(render(EVERYTHING), "Deployment", "jobfinder")
    pod = deployment["spec"]["template"]
    app = container(pod, "app")
    assert {"name": "E", "value": "1"} in app["env"]
    assert app["envFrom"] == [{"configMapRef": {"name": "more"}}]
    assert {"name": "more", "mountPath": "/more"} in app["volumeMounts"]
    assert {"name": "more", "emptyDir": {}} in pod["spec"]["volumes"]
    assert pod["metadata"]["annotations"]["a"] == "b"
    assert pod["metadata"]["labels"]["c"] == "d"
    assert pod["spec"]["nodeSelector"] == {"disk": "ssd"}
    assert pod["spec"]["priorityClassName"] == "high"


def test_every_image_comes_from_the_named_registry_with_the_pull_secret() -> None:
    for whose, pod in pods(render(EVERYTHING)):
        assert pod["spec"]["imagePullSecrets"] == [{"name": "pull"}], whose
        assert all(each["image"].startswith("images.example/") for each in pod["spec"]["containers"]), whose


def test_image_digest_takes_precedence_over_the_tag() -> None:
    image = {"tag": "1", "digest": f"sha256:{'a' * 64}"}
    assert container(_app({**EXTERNAL, "image": image}), "app")["image"] == f"jobfinder@sha256:{'a' * 64}"


def test_external_database_is_migrated_in_a_hook() -> None:
    annotations = named(render(EXTERNAL), "Job", "jobfinder-migrate")["metadata"]["annotations"]
    assert annotations["helm.sh/hook"] == "pre-install,pre-upgrade,pre-rollback"
    assert annotations["helm.sh/hook-delete-policy"] == "before-hook-creation,hook-succeeded"


def test_bundled_database_is_migrated_by_a_job_named_per_version() -> None:
    first, second = (
        next(each for each in render(values) if each["kind"] == "Job" and "migrate" in each["metadata"]["name"])
        for values in (BUNDLED, {**BUNDLED, "image": {"tag": "next"}})
    )
    assert "annotations" not in first["metadata"]
    assert first["metadata"]["name"] != second["metadata"]["name"]
    assert first["spec"]["template"]["spec"]["containers"][0]["args"][:2] == ["migrate", "--wait"]


def test_migration_mounts_only_the_database_password() -> None:
    job = named(render(EXTERNAL), "Job", "jobfinder-migrate")["spec"]["template"]["spec"]
    keys = [item["key"] for volume in job["volumes"] for item in volume.get("secret", {}).get("items", [])]
    assert keys == ["database-password"]


def test_tuning_config_map_has_no_data_with_the_operator() -> None:
    assert "data" not in named(render({**EXTERNAL, **OPERATOR}), "ConfigMap", "jobfinder-tuning")
    values = {**EXTERNAL, "tuning": {"limits": {"requests_per_user": 1000000}}}
    data = named(render(values), "ConfigMap", "jobfinder-tuning")["data"]
    assert data == {"tuning.json": '{"limits":{"requests_per_user":1000000}}'}


def test_console_port_is_open_only_with_the_operator() -> None:
    with_operator = _app({**EXTERNAL, **OPERATOR})
    assert [each["containerPort"] for each in container(with_operator, "pgbouncer")["ports"]] == [6432]
    assert "ports" not in container(_app(EXTERNAL), "pgbouncer")
    assert "PGBOUNCER_OPERATOR_PASSWORD_FILE" not in environment(container(_app(EXTERNAL), "pgbouncer-config"))


def test_operator_config_overrides_fields_of_the_resource() -> None:
    spec = named(render(EVERYTHING), "JobFinderConfig", "jobfinder")["spec"]
    assert spec["target"] == {"deployment": "jobfinder", "memcached": "jobfinder-memcached", "hpa": "jobfinder"}
    assert spec["database"]["perPod"] == {"floor": 1, "max": 32}
    assert spec["limits"] == {"requestsPerUser": 300}


def test_new_chart_version_changes_only_the_service_image(tmp_path: Any) -> None:
    run("cp", "-r", CHART, tmp_path)
    chart = tmp_path / CHART.name
    text = (chart / "Chart.yaml").read_text()
    (chart / "Chart.yaml").write_text(text.replace("ersion: 0.1.0", "ersion: 9.9.9"))
    for values in (BUNDLED, EXTERNAL):
        old, new = dict(pods(render(values))), dict(pods(render(values, chart=chart)))
        for whose in ("StatefulSet/jobfinder-memcached", "StatefulSet/jobfinder-postgresql"):
            assert old.get(whose) == new.get(whose)
        app = new["Deployment/jobfinder"]
        for each in app["spec"]["initContainers"] + app["spec"]["containers"]:
            each["image"] = each["image"].replace("jobfinder:9.9.9", "jobfinder:0.1.0")
        assert app == old["Deployment/jobfinder"]


def test_bundled_database_role_has_no_admin_rights() -> None:
    script = named(render(BUNDLED), "ConfigMap", "jobfinder-postgresql-init")["data"]["create-role.sh"]
    assert "NOSUPERUSER NOCREATEDB NOCREATEROLE" in script
    assert "OWNER" in script


@pytest.mark.parametrize(("keep", "policy"), [(True, "Retain"), (False, "Delete")])
def test_keep_data_sets_the_volume_retention_policy(keep: bool, policy: str) -> None:
    values = {**BUNDLED, "postgresql": {"enabled": True, "keepData": keep}}
    spec = named(render(values), "StatefulSet", "jobfinder-postgresql")["spec"]
    assert spec["persistentVolumeClaimRetentionPolicy"]["whenDeleted"] == policy


def test_replicas_are_rendered_only_without_the_hpa() -> None:
    assert "replicas" not in named(render(EXTERNAL), "Deployment", "jobfinder")["spec"]
    assert named(render({**BARE, "replicas": 3}), "Deployment", "jobfinder")["spec"]["replicas"] == 3


def test_notes_show_the_url_and_the_connection_budget() -> None:
    notes = _notes({**EXTERNAL, "ingress": {"enabled": True, "hosts": ["jobs.example"]}})
    assert "http://jobs.example/docs" in notes
    assert "2 x 6 + surge 1 = 13" in notes
    assert "floor 1 x 13 + headroom 5 = 18 of 80" in notes
    assert "(80 - 5) / 13 = 5" in notes
    assert "WARNING: trustedProxies is empty" in notes
    assert "operator is off" in notes
    assert "WARNING" not in _notes({**EVERYTHING, "monitoring": {}})


def _notes(values: Values) -> str:
    """Render NOTES.txt into a ConfigMap, because `helm template` does not print notes."""
    shown = """\
kind: ConfigMap
metadata: {name: notes}
data:
  notes: |
    {{- include "jobfinder/templates/NOTES.txt" . | nindent 4 }}
"""
    return str(named(render({**values, "extraObjects": [shown]}), "ConfigMap", "notes")["data"]["notes"])


def _app(values: Values) -> Any:
    return dict(pods(render(values)))["Deployment/jobfinder"]
