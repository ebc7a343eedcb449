#!/usr/bin/env python3
"""`kubectl jobfinder top|explain`: each pod's part of the connection budget, and which limit binds and why.

The file needs only the standard library: put it on the PATH as `kubectl-jobfinder`, or install the operator's package.
"""

import argparse
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

RESOURCE = "jobfinderconfigs.jobfinder.dev"
KLOG = re.compile(r"[EWI]\d{4} \d\d:")  # kubectl's own log lines, printed before its message
Object = Mapping[str, Any]


class PluginError(Exception):
    """An error that the user can correct; the message says how."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Returns the exit code."""
    given = _parser().parse_args(arguments)
    try:
        for number, resource in enumerate(_resources(given)):
            lines = (top if given.command == "top" else explain)(resource)
            sys.stdout.write("\n" * bool(number) + "\n".join(lines) + "\n")
    except PluginError as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    except BrokenPipeError:
        return 0
    return 0


def top(resource: Object) -> Iterator[str]:
    """Lines of two tables: connections of each pod, memory of each memcached server."""
    status, budget = _status(resource), _status(resource).get("budget") or {}
    yield (
        f"{_title(resource)}: budget {budget.get('budget', '?')}, granted {budget.get('granted', '?')}, "
        f"used {budget.get('used', '?')}, waiting {budget.get('waiting', '?')}, free {budget.get('free', '?')}"
    )
    for each in status.get("replicas") or []:
        sums = each.get("budget") or {}
        words = (f"{name} {sums.get(name, '?')}" for name in ("budget", "granted", "used", "waiting", "free"))
        yield f"replica {each.get('name')}: {', '.join(words)}"
    pods = status.get("pods") or []
    yield from _table(
        ("POD", "PHASE", "CAP", "USED", "WAITING", "HIT RATE", "GENERATION"),
        [
            (
                pod.get("name"),
                pod.get("phase"),
                pod.get("cap"),
                pod.get("used"),
                pod.get("waiting"),
                _percent(pod.get("hitPercent")),
                pod.get("tuningGeneration"),
            )
            for pod in pods
        ],
    )
    if (number := budget.get("pods", len(pods))) > len(pods):
        yield f"(the {len(pods)} that are worst off of {number})"
    if servers := status.get("memcached"):
        yield ""
        yield from _table(
            ("MEMCACHED", "UP", "USED MB", "LIMIT MB", "HIT RATE"),
            [
                (
                    each.get("node"),
                    "yes" if each.get("up") else "no",
                    each.get("usedMegabytes"),
                    each.get("limitMegabytes"),
                    _percent(each.get("hitPercent")),
                )
                for each in servers
            ],
        )


def explain(resource: Object) -> Iterator[str]:
    """Sentences: what is wrong, which limit binds, the arithmetic, and recommendations."""
    status = _status(resource)
    yield f"{_title(resource)}: {_verdict(resource)}"
    yield from (f"  {line}" for line in _conditions(status))
    yield ""
    yield from _binding(resource)
    if memory := status.get("memcached"):
        yield ""
        yield from (_server(each) for each in memory)
    if tuning := status.get("tuning"):
        yield ""
        yield (
            f"Generation {tuning.get('generation', 0)} of the tuning is applied by every worker of "
            f"{tuning.get('confirmed', 0)} of {tuning.get('pods', 0)} pods."
        )
    yield ""
    recommended = status.get("recommended") or []
    if not recommended:
        yield "Nothing that was observed speaks for another size."
    for each in recommended:
        yield f"Recommended: spec.{each['field']} {each.get('current', '?')} -> {each['value']}: {each['reason']}"


def _verdict(resource: Object) -> str:
    spec, ready = resource.get("spec") or {}, _condition(_status(resource), "Ready")
    if spec.get("paused"):
        return "paused, nothing is touched."
    if spec.get("mode") == "Observe":
        return "mode Observe, nothing is touched."
    if resource["metadata"].get("generation") != _status(resource).get("observedGeneration"):
        return "the operator has not looked at the latest edit yet."
    return "all is as the resource says." if ready.get("status") == "True" else "not all is as the resource says."


def _conditions(status: Object) -> Iterator[str]:
    for each in status.get("conditions") or []:
        bad = (each["status"] == "True") is (each["type"] in ("Degraded", "TargetTaken"))
        yield f"{'!' if bad else ' '} {each['type']} {each['status']} ({each.get('reason')}): {each.get('message')}"


def _binding(resource: Object) -> Iterator[str]:
    """Which limit keeps pods from having more connections: the budget, or the largest pool of a pod."""
    database = (resource.get("spec") or {}).get("database") or {}
    budget, pods = _status(resource).get("budget") or {}, _status(resource).get("pods") or []
    if not budget:
        yield "The budget's sums are not known yet."
        return
    reserved = budget.get("reserved", 0)
    others = f" + {reserved} of other Deployments, such as task workers and realtime," if reserved else ""
    yield (
        f"floor {budget['floor']} x {budget['slots']} pods that may exist + {budget['aboveFloor']} granted above the "
        f"floors + headroom {budget['headroom']}{others} = {budget['total']} of connectionBudget {budget['budget']}; "
        f"{budget['free']} are free."
    )
    most = (database.get("perPod") or {}).get("max")
    waiting = [pod for pod in pods if pod.get("waiting")]
    capped = [pod["name"] for pod in waiting if most is not None and pod.get("cap", 0) >= most]
    if not waiting:
        yield "No limit binds: no client waits for a connection."
        return
    total = sum(pod["waiting"] for pod in waiting)
    yield f"{total} clients of {len(waiting)} pods wait for a connection."
    if capped:
        yield f"database.perPod.max binds: {', '.join(capped[:5])} have all the {most} connections that a pod may have."
    if len(capped) < len(waiting) and budget["free"] <= 0:
        unborn = budget.get("unborn", 0)
        kept = f"; {budget['floor'] * unborn} of them are kept for {unborn} pods that do not exist" if unborn else ""
        yield f"database.connectionBudget binds: all {budget['budget']} are spoken for{kept}."
    elif len(capped) < len(waiting):
        yield f"No limit binds: {budget['free']} connections are free and will be granted."


def _server(each: Object) -> str:
    if not each.get("up"):
        return f"{each.get('node')} does not answer."
    return (
        f"{each.get('node')} uses {each.get('usedMegabytes', 0)} of {each.get('limitMegabytes', 0)} MB and finds "
        f"{_percent(each.get('hitPercent'))} of what it is asked for."
    )


def _status(resource: Object) -> Object:
    found: Object = resource.get("status") or {}
    return found


def _condition(status: Object, kind: str) -> Object:
    return next((each for each in status.get("conditions") or [] if each["type"] == kind), {})


def _title(resource: Object) -> str:
    return f"{resource['metadata'].get('namespace', '')}/{resource['metadata']['name']}"


def _percent(value: int | None) -> str:
    return "-" if value is None else f"{value} %"


def _table(heads: Sequence[str], rows: Sequence[Sequence[object]]) -> Iterator[str]:
    texts = [heads, *([("-" if cell is None else str(cell)) for cell in row] for row in rows)]
    widths = [max(len(row[column]) for row in texts) for column in range(len(heads))]
    for row in texts:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def _resources(given: argparse.Namespace) -> list[Object]:
    scope = (
        ["--all-namespaces"] if given.all_namespaces else ["--namespace", given.namespace] if given.namespace else []
    )
    context = ["--context", given.context] if given.context else []
    answer = _kubectl([*context, "get", RESOURCE, *([given.name] if given.name else []), *scope, "-o", "json"])
    found = answer["items"] if answer.get("kind", "").endswith("List") else [answer]
    if not found:
        where = given.namespace or "this namespace"
        raise PluginError(f"there is no JobFinderConfig in {where}; --namespace names another, -A looks in all")
    return list(found)


def _kubectl(arguments: list[str]) -> dict[str, Any]:
    program = shutil.which("kubectl")
    if program is None:
        raise PluginError("kubectl is not on the PATH")
    done = subprocess.run([program, *arguments], capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode != 0:
        lines = [line for line in done.stderr.splitlines() if not KLOG.match(line)]
        words = "\n".join(lines).strip() or f"kubectl ended with exit code {done.returncode}"
        if "the server doesn't have a resource type" in words:
            words = "this cluster does not know JobFinderConfig: install the chart with operator.enabled=true"
        raise PluginError(words)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="kubectl jobfinder", description="Looks into JobFinderConfigs.")
    commands = parser.add_subparsers(dest="command", required=True)
    for name, meaning in (
        ("top", "each pod's cap, connections, waiting clients, hit rate and tuning generation"),
        ("explain", "which limit binds and why, in sentences with the numbers"),
    ):
        command = commands.add_parser(name, help=meaning, description=meaning)
        command.add_argument("--name", help="one resource; without it all of the namespace")
        command.add_argument("-n", "--namespace")
        command.add_argument("-A", "--all-namespaces", action="store_true")
        command.add_argument("--context", help="of the kubeconfig")
    return parser


if __name__ == "__main__":
    sys.exit(main())
