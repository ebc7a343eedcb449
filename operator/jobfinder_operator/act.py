"""Sends the decided changes to PgBouncer consoles and memcached, within their deadlines and the Lease."""

import asyncio
import logging
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from jobfinder_operator.clients import memcached
from jobfinder_operator.clients.memcached import MemcachedError
from jobfinder_operator.clients.pgbouncer import POOL, Console, ConsoleError, Consoles
from jobfinder_operator.deciding.budget import Grow, Shrink, Step
from jobfinder_operator.deciding.memory import MEGABYTE, too_much_memory
from jobfinder_operator.deciding.snapshot import MemcachedSeen, PodSeen

log = logging.getLogger(__name__)

NO_PORTS: Mapping[str, int] = MappingProxyType({})
LOOK_S = 0.05  # between two SHOW SERVERS while connections drain


@dataclass(frozen=True)
class Until:
    """No command is sent after `deadline`, a time of `clock`; waiting for a reply ends after `timeout_s`."""

    deadline: float
    timeout_s: float
    clock: Callable[[], float] = time.monotonic

    @property
    def left_s(self) -> float:
        """Timeout of the next command; raises ConsoleError when the deadline has passed."""
        left = min(self.timeout_s, self.deadline - self.clock())
        if left <= 0:
            raise ConsoleError("no time left to send the command")
        return left


async def take(consoles: Consoles, steps: Iterable[Step], until: Until) -> list[str]:
    """Run all shrinks in parallel, then all grows; returns a description of each step that succeeded.

    A step that fails is logged; the next round reads what became of it.
    """
    steps = tuple(steps)
    done: list[str] = []
    for kind in (Shrink, Grow):
        results = await asyncio.gather(*(_step(consoles, step, until) for step in steps if isinstance(step, kind)))
        done += [words for words in results if words]
    return done


async def _step(consoles: Consoles, step: Step, until: Until) -> str:
    console = consoles.known(step.uid)
    if console is None or console.session != step.session:
        log.info("pod %s: the console connection has changed, no command is sent", step.name)
        return ""
    try:
        seen = await console.pool_size(until.left_s)
        if seen != step.expect:
            log.info("pod %s: the pool size is %s instead of %s, no command is sent", step.name, seen, step.expect)
            return ""
        await console.set_pool_size(step.to, until.left_s)
        if isinstance(step, Shrink):
            await _drain(console, step.to, until)
    except ConsoleError as error:
        log.warning("pod %s: %s", step.name, error)
        return ""
    return f"{step.name} {step.expect} -> {step.to}"


async def _drain(console: Console, to: int, until: Until) -> None:
    if await console.servers(until.left_s) <= to:
        return
    await console.recycle(until.left_s)
    while await console.servers(until.left_s) > to:  # noqa: ASYNC110 - PgBouncer does not notify when a connection closes
        await asyncio.sleep(LOOK_S)


async def shrink_to_floor(
    consoles: Consoles, hosts: Mapping[str, str], floor: int, until: Until, ports: Mapping[str, int] = NO_PORTS
) -> None:
    """Shrink each pod (uid -> address) to the size its sidecar started with; best effort. `ports`: of consoles that
    are not at the usual port.
    """

    async def shrink(uid: str, host: str) -> None:
        try:
            console = await consoles.get(uid, host, ports.get(uid, 0))
            if await console.pool_size(until.left_s) > floor:
                await console.set_pool_size(floor, until.left_s)
                await console.recycle(until.left_s)
        except ConsoleError as error:
            log.warning("pod at %s keeps its pool: %s", host, error)

    await asyncio.gather(*(shrink(uid, host) for uid, host in hosts.items()))


async def settle_pools(consoles: Consoles, pods: Iterable[PodSeen], until: Until) -> list[str]:
    """Repair pools whose two size settings differed in the last reading: one was changed by hand, or a step was
    interrupted between its two commands. `max_db_connections` is kept. Returns a description of each change.
    """

    async def settle(pod: PodSeen) -> str:
        console = consoles.known(pod.uid)
        if console is None or not console.uneven:
            return ""
        try:
            size = await console.pool_size(until.left_s)
            await console.set_pool_size(size, until.left_s)
        except ConsoleError as error:
            log.warning("pod %s: %s", pod.name, error)
            return ""
        return f"{pod.name} {console.settings[POOL]} -> {size}"

    return [words for words in await asyncio.gather(*(settle(pod) for pod in pods)) if words]


async def settle_consoles(
    consoles: Consoles, uids: Iterable[str], wanted: Mapping[str, int], until: Until
) -> list[str]:
    """Set PgBouncer's other settings to the wanted values; returns a description of each change."""

    async def settle(uid: str) -> list[str]:
        console, changed = consoles.known(uid), list[str]()
        if console is None:
            return changed
        for name, value in wanted.items():
            told = console.settings.get(name)
            if told is None or float(told) == value:
                continue
            try:
                await console.set(name, value, until.left_s)
                changed.append(f"{name} {told} -> {value}")
            except ConsoleError as error:
                log.warning("%s could not be set: %s", name, error)
        return changed

    changes = await asyncio.gather(*(settle(uid) for uid in uids))
    return [words for each in changes for words in each]


async def settle_memory(
    servers: Iterable[MemcachedSeen], hosts: Mapping[str, str], wanted_mb: int, port: int, timeout_s: float
) -> list[str]:
    """Set the memory limit of every reachable server; returns a description of each change."""

    async def settle(server: MemcachedSeen) -> str:
        if not server.up or server.limit_bytes == wanted_mb * MEGABYTE or too_much_memory(wanted_mb, server):
            return ""
        try:
            await memcached.set_memory(hosts[server.name], port, wanted_mb, timeout_s)
        except MemcachedError as error:
            log.warning("%s", error)
            return ""
        return f"{server.name} {server.limit_bytes // MEGABYTE} -> {wanted_mb} MB"

    return [words for words in await asyncio.gather(*(settle(server) for server in servers)) if words]
