"""`kubectl edit` of each field takes effect within 15 s, with no restart and no failed request."""

import base64
from itertools import product
from typing import Any

import pytest

from charts.live_settings import LiveSetting, live_settings
from tests.e2e.operator.conftest import BUDGET, CONFIG, HEADROOM, MOST, REALTIME, WORKERS
from tests.e2e.operator.resource import Config, Seen
from tests.e2e.platform.load.processes import first_process, kill
from tests.e2e.platform.load.watch import Load, watched
from tests.e2e.platform.release import NAME, Release
from tests.e2e.waiting import wait_until
from tests.pods.pod import wait_for

LOAD = Load(rate=150, connections=16, actors=3)
PODS_MOST = 2 * MOST + 1

Field = tuple[str, Any, Any]
"""(name of the setting in the service or in PgBouncer, new value, installed value)."""
UNREACHED = 1_000_000


def edited(setting: LiveSetting) -> Field:
    """Return (path of the setting in the service, another value, installed value)."""
    installed: Any = CONFIG
    for name in setting.resource_path.split("."):
        installed = installed.get(name, {}) if isinstance(installed, dict) else {}
    value = setting.default if installed == {} else installed
    return setting.path, another(setting, value), value


def another(setting: LiveSetting, value: Any) -> Any:
    """Return a different value that the load of the tests does not reach."""
    if isinstance(value, bool):
        return not value
    if value == 0:
        return min(UNREACHED, setting.most or 0) if setting.path.startswith("limits.") else 2
    lower = value - max(1, value // 10)
    return lower if lower >= (setting.least or 0) else value + 1


# Keys are paths in the resource.
TUNED: dict[str, Field] = {
    "database.timeouts.acquireMilliseconds": ("database.acquire_timeout_ms", 7000, 8000),
    **{each.resource_path: edited(each) for each in live_settings()},
}
CONSOLE: dict[str, Field] = {
    "database.timeouts.queryWaitSeconds": ("query_wait_timeout", 6, 8),
    "database.timeouts.idleSeconds": ("server_idle_timeout", 45, 60),
}
COMPONENTS = ("app", "worker", "realtime")  # each has its container's name
BOUNDS = ("default_pool_size", "max_db_connections")  # both limit a pool
ASK_CONSOLE = (
    "import os, psycopg2; c = psycopg2.connect(os.environ['PGBOUNCER_CONSOLE_URL']); c.autocommit = True; "
    "k = c.cursor(); k.execute('SHOW CONFIG'); print({r[0]: r[1] for r in k.fetchall()}['NAME'])"
)
SET_BY_HAND = (
    "import sys, psycopg2; c = psycopg2.connect(host='127.0.0.1', port=6432, dbname='pgbouncer', "
    "user='jobfinder_operator', password=sys.stdin.read()); c.autocommit = True; "
    f"[c.cursor().execute('SET %s = 30' % name) for name in {BOUNDS}]"
)


def in_sections(fields: dict[str, Field]) -> dict[str, dict[str, Field]]:
    """Group the fields by their parent in the resource; a group is edited in one patch."""
    found: dict[str, dict[str, Field]] = {}
    for path, field in fields.items():
        section, _, name = path.rpartition(".")
        found.setdefault(section, {})[name] = field
    return found


def told(contents: dict[str, Any], path: str) -> Any:
    found: Any = contents
    for name in path.split("."):
        found = found.get(name, {})
    return found


def console_setting(release: Release, pod: str, name: str, component: str = "app") -> int:
    """Read a setting from the console of the pod's PgBouncer."""
    answer = release.kubectl("exec", pod, "-c", component, "--", "python", "-c", ASK_CONSOLE.replace("NAME", name))
    return round(float(answer.strip()))


def granted(seen: Seen) -> int:
    return sum(int(each["cap"]) for each in seen.pods.values())


def restarts(release: Release) -> dict[str, int]:
    """Of each pod, but for those that end, as a worker of the test before."""
    pods = [each for name in COMPONENTS for each in release.pods(name)]
    return {each.uid: each.restarts for each in pods if not each.ending}


def test_each_field_takes_effect_live(release: Release, config: Config) -> None:
    before = restarts(release)
    config.wait_for("Ready", "BudgetConverged", "TuningApplied", timeout_s=60)
    with watched(release.address(), LOAD) as watch:
        for section, fields in in_sections(TUNED).items():
            with watch.phase(section):
                config.edit(f"spec.{section}", {field: value for field, (_, value, _) in fields.items()})
                config.wait_for("TuningApplied")
                tuning = config.tuning()
                wanted = {name: value for name, value, _ in fields.values()}
                assert {name: told(tuning, name) for name in wanted} == wanted
        for section, fields in in_sections(CONSOLE).items():
            with watch.phase(f"{section} of PgBouncer"):
                config.edit(f"spec.{section}", {field: value for field, (_, value, _) in fields.items()})
                config.wait_for("Ready")
                for component, (name, value, _) in product(COMPONENTS, fields.values()):
                    for pod in (each for each in release.pods(component) if not each.ending):
                        wait_for_setting(release, pod.name, name, value, component)
        with watch.phase("cache.memcachedMegabytes"):
            config.edit("spec.cache.memcachedMegabytes", 80)
            seen = config.wait_for("CacheTuned")
            assert {each["limitMegabytes"] for each in seen.status["memcached"]} == {80}
        with watch.phase("database"):
            edit_the_budget(config)
        with watch.phase("back"):
            for section, fields in in_sections(TUNED | CONSOLE).items():
                config.edit(f"spec.{section}", {field: value for field, (_, _, value) in fields.items()})
            config.edit("spec.cache.memcachedMegabytes", 64)
            config.wait_for("Ready", "TuningApplied", "CacheTuned", "BudgetConverged")
    assert restarts(release) == before
    watch.assert_nothing_failed()
    events = "\n".join(config.events())
    assert "TuningApplied" in events
    assert "limits.requests_per_user 0 -> 1000000" in events
    assert "64 -> 80 MB" in events


def wait_for_setting(release: Release, pod: str, name: str, value: int, component: str = "app") -> None:
    wait_for(lambda: console_setting(release, pod, name, component) == value, f"{name} {value} of {pod}", 15)


def edit_the_budget(config: Config) -> None:
    """Edit each number of the budget and expect the calculated number of granted connections."""
    floors = PODS_MOST + WORKERS + REALTIME

    def expect(pods: int, free: int) -> None:
        seen = config.wait_for("BudgetConverged")
        assert granted(seen) == pods + free, seen.status["budget"]

    wait_for_grants(config, 2 + BUDGET - HEADROOM - floors)  # the pools grow while clients wait
    config.edit("spec.database.connectionBudget", 37)
    expect(2, 37 - HEADROOM - floors)
    config.edit("spec.database.connectionBudget", BUDGET)
    expect(2, BUDGET - HEADROOM - floors)
    config.edit("spec.database.headroom", HEADROOM + 4)
    expect(2, BUDGET - HEADROOM - 4 - floors)
    config.edit("spec.database.headroom", HEADROOM)
    config.edit("spec.database.maxPods", PODS_MOST + 5)
    expect(2, BUDGET - HEADROOM - floors - 5)
    config.edit("spec.database.maxPods", PODS_MOST)
    config.edit("spec.database.perPod.max", 4)
    expect(2, 2 * 3)
    config.edit("spec.database.perPod.max", 32)
    config.edit("spec.database.perPod.floor", 2)
    config.wait_for("BudgetConverged")
    config.edit("spec.database.perPod.floor", 1)
    expect(2, BUDGET - HEADROOM - floors)


def test_observe_mode_and_pause_change_nothing(release: Release, config: Config) -> None:
    tuning = config.tuning()
    for path, value, back in (("spec.mode", "Observe", "Apply"), ("spec.paused", True, False)):
        config.edit(path, value)
        config.edit("spec.limits.requestsPerUser", 555_555)
        seen = config.wait_for("Ready")
        assert seen.condition("Ready")["reason"] in ("Observing", "Paused")
        assert config.tuning() == tuning
        config.edit("spec.limits.requestsPerUser", 0)
        config.edit(path, back)
        config.wait_for("Ready", "TuningApplied")


def test_infeasible_edit_is_refused_and_changes_nothing(release: Release, config: Config) -> None:
    before = config.wait_for("Ready", "BudgetConverged", timeout_s=60)
    with pytest.raises(Exception, match=r"floor 1 x maxPods 17 \+ headroom 5 = 22 > connectionBudget 10"):
        config.edit("spec.database.connectionBudget", 10)
    with pytest.raises(Exception, match=r"perPod\.floor 40 > perPod\.max 32"):
        config.edit("spec.database.perPod.floor", 40)
    config.edit("spec.database.maxPods", 9)
    message = config.wait_until_refused("BudgetFeasible")
    assert f"2 x HPA max {MOST} + surge 1 = {PODS_MOST} pods can exist at once > maxPods 9" in message
    assert granted(config.see()) == granted(before)
    config.edit("spec.database.maxPods", PODS_MOST)
    config.edit("spec.cache.memcachedMegabytes", 120)
    assert "102 would work" in config.wait_until_refused("CacheTuned")
    config.edit("spec.cache.memcachedMegabytes", 64)
    after = config.wait_for("Ready", "BudgetConverged", "CacheTuned")
    assert granted(after) == granted(before)
    assert any("maxPods 9" in each for each in config.events())


def test_pool_set_by_hand_is_corrected(release: Release, config: Config) -> None:
    before = config.wait_for("BudgetConverged", timeout_s=60)
    pod = release.pods()[0].name
    secret = release.get("secret", f"{NAME}-operator")["data"]["pgbouncer-password"]
    password = base64.b64decode(secret).decode()
    release.kubectl("exec", "-i", pod, "-c", "app", "--", "python", "-c", SET_BY_HAND, given=password)
    wait_for(lambda: told_of(config, "DriftRaised", pod), f"an event about {pod}", 15)
    after = wait_for_grants(config, granted(before))
    for name in BOUNDS:
        wait_for_setting(release, pod, name, after.pods[pod]["cap"])


def test_killed_pgbouncer_is_granted_its_share_again(release: Release, config: Config) -> None:
    before = config.wait_for("BudgetConverged", timeout_s=60)
    pod = next(each for each in release.pods() if each.ready)
    kill(first_process(pod, "pgbouncer"))
    release.wait_for_pods(lambda pods: any(each.restarts for each in pods), "a restarted sidecar", timeout_s=60)
    wait_for(lambda: told_of(config, "DriftRestarted", pod.name), f"an event about {pod.name}", 15)
    wait_for_grants(config, granted(before))


def told_of(config: Config, reason: str, pod: str) -> bool:
    return any(each.startswith(f"{reason}: ") and pod in each for each in config.events())


def wait_for_grants(config: Config, number: int) -> Seen:
    """Wait until `number` connections are granted; those of an ended PgBouncer count for some more seconds."""
    return wait_until(
        config.see,
        lambda seen: seen.holds("Ready") and seen.holds("BudgetConverged") and granted(seen) == number,
        f"{number} connections granted",
        timeout_s=60,
    )
