"""Values that cannot work are refused with the calculation and the nearest values that work."""

import json
from typing import Any

import msgspec
import pytest

from app.config import Settings, Tuning
from app.local.readme import documented_settings
from tests.e2e.chart.rendering import (
    BUNDLED,
    CHART,
    EVERYTHING,
    EXTERNAL,
    Values,
    container,
    environment,
    pods,
    refusal,
    render,
)

INFEASIBLE: dict[str, tuple[Values, str]] = {
    "mail without the task workers that send it": (
        {"mail": {"existingSecret": "mail", "from": "a@jobs.example", "pagesUrl": "https://jobs.example/account"}},
        "Nearest that works: worker.enabled true.",
    ),
    "floors of all pods above the budget": (
        {"hpa": {"maxReplicas": 40}},
        (
            "pgbouncer.floor 1 x database.maxPods 81 + database.headroom 5 = 86 is more than "
            "database.connectionBudget 80: scaling out could exhaust PostgreSQL. Nearest that works: "
            "database.connectionBudget 86, or hpa.maxReplicas 37."
        ),
    ),
    "a floor that is too high": (
        {"pgbouncer": {"floor": 6}},
        "pgbouncer.floor 6 x database.maxPods 13 + database.headroom 5 = 83 is more than database.connectionBudget 80",
    ),
    "a budget below the floors of one replica": (
        {"database": {"host": "h", "connectionBudget": 6}, "hpa": {"enabled": False}, "replicas": 1},
        (
            "+ database.headroom 5 = 8 is more than database.connectionBudget 6: scaling out could exhaust "
            "PostgreSQL. Nearest that works: database.connectionBudget 8."
        ),
    ),
    "maxPods below the pods of a rollout": (
        {"database": {"host": "h", "maxPods": 12}},
        (
            "database.maxPods is 12, but a rollout can have 2 x hpa.maxReplicas 6 + surge 1 = 13 pods at once, "
            "for those that terminate still hold connections. Nearest that works: database.maxPods 13, or "
            "hpa.maxReplicas 5."
        ),
    ),
    "a surge in per cent, rounded up": (
        {"database": {"host": "h", "maxPods": 13}, "strategy": {"maxSurge": "25%"}},
        "2 x hpa.maxReplicas 6 + surge 2 = 14",
    ),
    "maxPerPod below the floor": (
        {"pgbouncer": {"floor": 3, "maxPerPod": 2}},
        "pgbouncer.maxPerPod 2 is less than pgbouncer.floor 3. Nearest that works: pgbouncer.maxPerPod 3.",
    ),
    "operator.config above the budget": (
        {
            "operator": {
                "enabled": True,
                "existingSecret": "o",
                "tls": {"existingSecret": "t"},
                "config": {"database": {"connectionBudget": 10}},
            }
        },
        "pgbouncer.floor 1 x database.maxPods 13 + database.headroom 5 = 18 is more than database.connectionBudget 10",
    ),
    "minReplicas above maxReplicas": (
        {"hpa": {"minReplicas": 9}},
        "hpa.minReplicas 9 is more than hpa.maxReplicas 6. Nearest that works: hpa.maxReplicas 9.",
    ),
    "memcached above 80 % of its limit": (
        {"memcached": {"memoryMegabytes": 103}},
        (
            "memcached.memoryMegabytes 103 is more than 80 % of memcached.resources.limits.memory 128Mi: 0.8 x "
            "128 MiB = 102 MiB; the rest is for connections and the hash table. Nearest that works: "
            "memcached.memoryMegabytes 102, or a limit of 129Mi."
        ),
    ),
    "a limit in decimal units": (
        {"memcached": {"memoryMegabytes": 800, "resources": {"limits": {"memory": "1G"}}}},
        "0.8 x 954 MiB = 762 MiB",
    ),
    "memcached in operator.config above 80 % of its limit": (
        {
            "operator": {
                "enabled": True,
                "existingSecret": "o",
                "tls": {"existingSecret": "t"},
                "config": {"cache": {"memcachedMegabytes": 512}},
            }
        },
        "memcached.memoryMegabytes 512 is more than 80 %",
    ),
    "a memory limit that is not an amount": (
        {"memcached": {"resources": {"limits": {"memory": "much"}}}},
        'memcached.resources.limits.memory "much" is no amount of memory such as 512Mi.',
    ),
    "a grace period that is too short": (
        {"terminationGracePeriodSeconds": 30},
        (
            "terminationGracePeriodSeconds 30 is less than preStopSeconds 5 + gracefulTimeoutSeconds 25 + 10 = "
            "40: the kubelet would kill requests in flight. Nearest that works: terminationGracePeriodSeconds 40."
        ),
    ),
    "an unknown field in operator.config": (
        {
            "operator": {
                "enabled": True,
                "existingSecret": "o",
                "tls": {"existingSecret": "t"},
                "config": {"limits": {"requests": 5}},
            }
        },
        "operator.config.limits.requests is unknown. Known there: ipv6Prefix, loginFailuresPerAccount,",
    ),
    "a rate limit of 0 in production": (
        {"tuning": {"limits": {"logins_per_address": 0}}},
        (
            "tuning.limits.logins_per_address 0 sets no limit; that is for environment development. Nearest that "
            "works: tuning.limits.logins_per_address 1."
        ),
    ),
    "a rate limit of 0 in operator.config": (
        {
            "operator": {
                "enabled": True,
                "existingSecret": "o",
                "tls": {"existingSecret": "t"},
                "config": {"limits": {"requestsPerUser": 0}},
            }
        },
        "operator.config.limits.requestsPerUser 0 sets no limit",
    ),
    "a bcrypt cost that is too low": (
        {"tuning": {"passwords": {"bcrypt_cost": 9}}},
        "tuning.passwords.bcrypt_cost 9 is below 10; that is for environment development.",
    ),
    "a bcrypt cost that is too low in operator.config": (
        {
            "operator": {
                "enabled": True,
                "existingSecret": "o",
                "tls": {"existingSecret": "t"},
                "config": {"passwords": {"bcryptCost": 4}},
            }
        },
        "operator.config.passwords.bcryptCost 4 is below 10",
    ),
    "caches above the memory limit": (
        {"tuning": {"cache": {"user": {"capacity": 200000}}}},
        (
            "2 workers x (84 MiB + tuning.cache.answers_bytes 33554432 + tuning.cache.user.capacity 200000 x 3 KiB + "
            "tuning.cache.blacklist.capacity 50000 x 0.25 KiB + tuning.cache.company.capacity 2000 x 3 KiB + "
            "tuning.cache.job.capacity 1000 x 10 KiB + "
            "tuning.cache.search.capacity 500 x 8 KiB) = 1467 MiB are more than "
            "resources.limits.memory 768Mi. Nearest that works: "
            "tuning.cache.user.capacity 80644, or a limit of 1468Mi."
        ),
    ),
    "kept answers above the memory limit": (
        {"tuning": {"cache": {"answers_bytes": 500_000_000}}},
        "2 workers x (84 MiB + tuning.cache.answers_bytes 500000000 + tuning.cache.user.capacity 10000 x 3 KiB",
    ),
    "kept answers above the memory limit, with the operator": (
        {
            "operator": {
                "enabled": True,
                "existingSecret": "o",
                "tls": {"existingSecret": "t"},
                "config": {"cache": {"answersBytes": 500_000_000}},
            }
        },
        "2 workers x (84 MiB + operator.config.cache.answersBytes 500000000 + operator.config.cache.user.capacity",
    ),
    "caches of 8 workers above the memory limit": (
        {"workers": 8, "environment": "development"},
        "8 workers x (84 MiB + tuning.cache.answers_bytes 33554432 + tuning.cache.user.capacity 10000 x 3 KiB",
    ),
    "no surge and no unavailable pod": (
        {"strategy": {"maxSurge": 0}},
        "maxSurge and strategy.maxUnavailable cannot both be 0",
    ),
    "two databases": ({"postgresql": {"enabled": True}}, "Either database.host or postgresql.enabled, not both."),
    "no database": ({"database": {"host": ""}}, "database.host is needed, or postgresql.enabled=true"),
    "an ingress to the metrics": (
        {"ingress": {"enabled": True, "hosts": ["a"]}, "publicPaths": [{"path": "/metrics", "pathType": "Exact"}]},
        "publicPaths: Exact /metrics would route /metrics",
    ),
    "an ingress to everything": (
        {"ingress": {"enabled": True, "hosts": ["a"]}, "publicPaths": [{"path": "/", "pathType": "Prefix"}]},
        "publicPaths: Prefix / would route /metrics",
    ),
    "an ingress to all of health": (
        {
            "httpRoute": {"enabled": True, "hostnames": ["a"], "parentRefs": [{"name": "g"}]},
            "publicPaths": [{"path": "/api/v1/", "pathType": "Prefix"}],
        },
        "publicPaths: Prefix /api/v1/ would route /api/v1/health",
    ),
}
FEASIBLE: dict[str, Values] = {
    "no rate limit and a low bcrypt cost in development": {
        "environment": "development",
        "tuning": {"limits": {"logins_per_address": 0}, "passwords": {"bcrypt_cost": 4}},
    },
    "caches that just fit": {"tuning": {"cache": {"user": {"capacity": 80644}}}},
    "no memory limit": {
        "resources": {"limits": {"memory": None}},
        "tuning": {"cache": {"user": {"capacity": 1000000}}},
    },
}
ILL_FORMED: dict[str, tuple[Values, str]] = {
    "unknown value": ({"replicaz": 2}, "additional properties 'replicaz' not allowed"),
    "unknown nested value": ({"database": {"hots": "x"}}, "at '/database': additional properties 'hots' not allowed"),
    "no headroom": ({"database": {"headroom": 0}}, "at '/database/headroom': minimum: got 0, want 1"),
    "no floor": ({"pgbouncer": {"floor": 0}}, "at '/pgbouncer/floor': minimum: got 0, want 1"),
    "a text for a number": ({"replicas": "two"}, "at '/replicas': got string, want null or integer"),
    "a role that needs quoting": ({"database": {"user": "Job Finder"}}, "at '/database/user'"),
    "an unknown setting": ({"settings": {"PEPER": "x"}}, "invalid propertyName 'PEPER'"),
    "a setting that the chart sets": ({"settings": {"PORT": 80}}, "invalid propertyName 'PORT'"),
    "an unknown tuning": (
        {"tuning": {"limits": {"x": 1}}},
        "at '/tuning/limits': additional properties 'x' not allowed",
    ),
    "a tuning out of bounds": ({"tuning": {"cache": {"lease_ms": 51}}}, "at '/tuning/cache/lease_ms': maximum"),
    "an ingress without a host": ({"ingress": {"enabled": True}}, "at '/ingress/hosts': minItems"),
    "a route without a gateway": (
        {"httpRoute": {"enabled": True, "hostnames": ["a"]}},
        "at '/httpRoute/parentRefs': minItems",
    ),
    "TLS verification without a CA": (
        {"database": {"tls": {"mode": "verify-full"}}},
        "at '/database/tls/caSecret'",
    ),
    "a proxy by name": ({"trustedProxies": ["ingress"]}, "at '/trustedProxies/0'"),
    "a short digest": ({"image": {"digest": "sha256:1"}}, "at '/image/digest'"),
    "an unknown Service type": ({"service": {"type": "Headless"}}, "at '/service/type'"),
}


@pytest.mark.parametrize("what", INFEASIBLE)
def test_infeasible_values_are_refused_with_the_calculation(what: str) -> None:
    values, message = INFEASIBLE[what]
    assert message in refusal({**EXTERNAL, **values})


@pytest.mark.parametrize("what", FEASIBLE)
def test_feasible_values_are_accepted(what: str) -> None:
    render({**EXTERNAL, **FEASIBLE[what]})


@pytest.mark.parametrize("what", ILL_FORMED)
def test_schema_violation_is_refused_with_its_path(what: str) -> None:
    values, message = ILL_FORMED[what]
    assert message in refusal({**EXTERNAL, **values})


def test_max_connections_must_cover_budget_and_superusers() -> None:
    message = refusal({**BUNDLED, "postgresql": {"enabled": True, "maxConnections": 82}})
    assert "postgresql.maxConnections 82 is less than database.connectionBudget 80 + 3" in message
    assert "Nearest that works: postgresql.maxConnections 83." in message


def test_migration_hook_with_bundled_database_is_refused() -> None:
    assert "migrations.hook cannot be true with postgresql.enabled" in refusal(
        {**BUNDLED, "migrations": {"hook": True}}
    )


@pytest.mark.parametrize(
    ("values", "wanted"),
    [
        ({}, "secrets.existingSecret is needed here"),
        ({"secrets": {"existingSecret": "own"}}, "secrets.existingKeysSecret is needed here"),
        ({**EXTERNAL, "operator": {"enabled": True}}, "operator.existingSecret is needed here"),
        (
            {**EXTERNAL, "operator": {"enabled": True, "existingSecret": "o"}},
            "operator.tls.existingSecret is needed here",
        ),
    ],
)
def test_without_a_cluster_existing_secrets_are_required(values: Values, wanted: str) -> None:
    message = refusal({"database": {"host": "h", "password": "p"}, **values})
    assert wanted in message
    assert "no cluster to look at" in message


@pytest.mark.parametrize(
    ("values", "pool", "max_pods"),
    [
        ({}, 5, 13),
        ({"hpa": {"maxReplicas": 20}}, 1, 41),
        ({"hpa": {"enabled": False}, "replicas": 1}, 25, 3),
        ({"hpa": {"enabled": False}, "replicas": 1, "pgbouncer": {"maxPerPod": 7}}, 7, 3),
        ({"database": {"host": "h", "maxPods": 30}}, 2, 30),
        ({"strategy": {"maxSurge": "100%"}}, 4, 18),
        ({"operator": {"enabled": True, "existingSecret": "o", "tls": {"existingSecret": "t"}}}, 1, 13),
    ],
)
def test_the_pools_of_all_pods_fit_the_budget(values: Values, pool: int, max_pods: int) -> None:
    app = dict(pods(render({**EXTERNAL, **values})))["Deployment/jobfinder"]
    assert environment(container(app, "pgbouncer-config"))["PGBOUNCER_POOL_SIZE"] == str(pool)
    assert pool * max_pods + 5 <= 80


def test_postgresql_has_fifteen_connections_beyond_the_budget() -> None:
    pod = dict(pods(render({**BUNDLED, "database": {"connectionBudget": 40}})))["StatefulSet/jobfinder-postgresql"]
    assert "max_connections=55" in container(pod, "postgresql")["args"]


def test_the_schema_knows_every_setting_but_those_that_the_chart_sets() -> None:
    found = dict(pods(render({**EVERYTHING, "settings": {}, "extraEnv": []})))
    parts = (("", "app"), ("-worker", "worker"), ("-realtime", "realtime"))
    made = [container(found[f"Deployment/jobfinder{suffix}"], name) for suffix, name in parts]
    ours = {name.removesuffix("_FILE") for each in made for name in environment(each)} | {"TUNING_FILE"}
    known = {name for name, _, _ in documented_settings(Settings)}
    assert set(_schema()["properties"]["settings"]["propertyNames"]["enum"]) == known - ours


def test_the_schema_knows_every_tuning_and_its_bounds() -> None:
    code = msgspec.json.schema(Tuning)
    assert _bounds(_schema()["$defs"]["tuning"], {}) == _bounds(code, code["$defs"])


def _schema() -> Any:
    return json.loads((CHART / "values.schema.json").read_text())


def _bounds(node: Any, definitions: Any) -> Any:
    """The parts of a schema that refuse something, references resolved."""
    if reference := node.get("$ref"):
        node = definitions[reference.rpartition("/")[2]]
    kept = {key: node[key] for key in ("type", "minimum", "maximum", "additionalProperties") if key in node}
    return kept | {name: _bounds(each, definitions) for name, each in node.get("properties", {}).items()}
