"""Carries out what was decided, on the consoles of PgBouncer and on memcached, within deadlines and the Lease."""

import asyncio
import logging
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from jobfinder_operator.clients import memcached
from jobfinder_operator.clients.memcached import MemcachedError
from jobfinder_operator.clients.pgbouncer import POOL, Console, ConsoleError, Consoles
from jobfinder_operator.deciding.budget import Grow, Shrink, Step
from jobfinder_operator.deciding.memory import MEGABYTE, too_much_memory
from jobfinder_operator.deciding.snapshot import MemcachedSeen, PodSeen

log = logging.getLogger(__name__)

LOOK_S = 0.05  # between two looks at SHOW SERVERS while connections drain


@dataclass(frozen=True)
class Until:
    """Nothing is sent after `deadline`, a time of `clock`, and no answer is waited for longer than `timeout_s`."""

    deadline: float
    timeout_s: float
    clock: Callable[[], float] = time.monotonic

    @property
    def left_s(self) -> float:
        """For one command; raises ConsoleError when there is none left."""
        left = min(self.timeout_s, self.deadline - self.clock())
        if left <= 0:
            raise ConsoleError("there was no time left to say it")
        return left


async def take(consoles: Consoles, steps: Iterable[Step], until: Until) -> list[str]:
    """Shrinks first, then grows, each kind all at once; returns what was done, in words. A step that fails is logged:
    what came of it is what the next look sees.
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
        log.info("pod %s: its console is another by now, nothing is said", step.name)
        return ""
    try:
        seen = await console.pool_size(until.left_s)
        if seen != step.expect:
            log.info("pod %s: the pool is %s and not %s, nothing is said", step.name, seen, step.expect)
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
    while await console.servers(until.left_s) > to:  # noqa: ASYNC110 - PgBouncer tells nobody when one is gone
        await asyncio.sleep(LOOK_S)


async def shrink_to_floor(consoles: Consoles, hosts: Mapping[str, str], floor: int, until: Until) -> None:
    """Each pod (uid -> address) back to what its sidecar started with; best effort."""

    async def shrink(uid: str, host: str) -> None:
        try:
            console = await consoles.get(uid, host)
            if await console.pool_size(until.left_s) > floor:
                await console.set_pool_size(floor, until.left_s)
                await console.recycle(until.left_s)
        except ConsoleError as error:
            log.warning("pod at %s keeps its pool: %s", host, error)

    await asyncio.gather(*(shrink(uid, host) for uid, host in hosts.items()))


async def settle_pools(consoles: Consoles, pods: Iterable[PodSeen], until: Until) -> list[str]:
    """Where PgBouncer was last read with a pool of another size than its bound, the bound is right: a hand has been
    there, or a step was not finished. Returns what was changed, in words.
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
    """Make PgBouncer's other settings those that are wanted; returns what was changed, in words."""

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
    """Give every server that answers the memory that is wanted; returns what was changed, in words."""

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
