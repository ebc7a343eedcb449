"""The process of the realtime gateway: event loop, listening socket, looks at the log, signals and live settings."""

import asyncio
import logging
import random
import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import uvloop

from app.coherence.following import Follower
from app.coherence.publisher import DRAIN_EVERY_S
from app.config import Settings, Tuning
from app.infra.background.ticker import Ticker
from app.infra.cooperative import install
from app.infra.logs import configure_logging
from app.infra.machine.descriptors import descriptor_limit
from app.infra.secrets.binding import check_at_start
from app.realtime.exposition import Exposition
from app.realtime.front import Connection, Desk
from app.realtime.hub import Hub
from app.realtime.messages import RESTART
from app.realtime.parts import Parts

log = logging.getLogger(__name__)

THREADS = 8
LOOK_EVERY_S = 0.02
RETRY_S = 0.1
"""After a look that failed; and how often it is asked whether there are connections."""
DESCRIPTORS_KEPT = 200
"""For the database, memcached, files, and connections that are refused."""
CLOSED_BEFORE_S = 1.0
"""How long before the end of the grace period the last client is told."""


class Gateway:
    """Serves until SIGTERM or SIGINT, then ends the connections one after another over the grace period."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._threads = ThreadPoolExecutor(THREADS, "realtime")
        self._stopping, self._over = threading.Event(), threading.Event()
        self._desk: Desk
        self._exposition = Exposition(parts, lambda: self._desk, self._unready)

    async def run(self) -> None:
        """Raises OSError when the port is taken."""
        loop, settings = asyncio.get_running_loop(), self._parts.settings
        tuning, logged = self._parts.tuning, self._parts.memcache.configured
        hub = Hub(
            self._parts.sources, self._in_thread, lambda: tuning.current.accounts.streams_per_user, logged=logged
        )  # fmt: skip
        self._desk = Desk(settings, hub, self._exposition.answer, descriptor_limit() - DESCRIPTORS_KEPT)
        self._follower = Follower(self._parts.memcache, self._parts.database, self._parts.counters, hub.leash)
        stop = asyncio.Event()
        for each in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(each, stop.set)
        host = None if settings.host == "*" else settings.host
        server = await loop.create_server(
            partial(Connection, self._desk), host, settings.realtime_port, backlog=settings.backlog
        )
        ticker = self._ticker(loop, hub)
        ticker.start()
        looks = threading.Thread(target=self._look, args=(hub,), name="looks", daemon=True)
        looks.start()
        works = [asyncio.create_task(work) for work in (hub.read(), hub.sweep())]
        stopped = asyncio.create_task(stop.wait())
        finished, _ = await asyncio.wait([*works, stopped], return_when="FIRST_COMPLETED")
        self._stopping.set()
        server.close()
        if stopped in finished:
            await self._drain(hub)
        self._over.set()
        ticker.stop()
        for work in works:
            if work in finished:
                work.result()
            work.cancel()

    async def _drain(self, hub: Hub) -> None:
        """Tell every client to connect elsewhere, in random order, spread over the grace period."""
        channels = list(hub.channels)
        random.shuffle(channels)
        over_s = max(self._parts.settings.graceful_timeout - CLOSED_BEFORE_S, 0.0)
        log.info("ending %d connections within %.0f s", len(channels), over_s)
        pause_s = over_s / max(len(channels), 1)
        for number, channel in enumerate(channels):
            channel.end(RESTART, "the service is restarting")
            if number + 1 < len(channels):
                await asyncio.sleep(pause_s)
        await asyncio.sleep(min(CLOSED_BEFORE_S, 0.2))

    def _unready(self) -> str:
        if self._stopping.is_set():
            return "the gateway is stopping"
        if self._follower.agreement.reason:
            return self._follower.agreement.reason
        return "" if self._desk.hub.position is not None else "events cannot be read"

    def _look(self, hub: Hub) -> None:
        """Look at the log for as long as the process lives and there are connections."""
        while True:
            followed = bool(hub.channels) and self._follower.look()
            pause_s = LOOK_EVERY_S if followed else RETRY_S
            if self._over.wait(pause_s):
                return

    def _ticker(self, loop: asyncio.AbstractEventLoop, hub: Hub) -> Ticker:
        parts, ticker = self._parts, Ticker()

        def poll_keys() -> None:
            if parts.keys.poll():
                loop.call_soon_threadsafe(hub.keys_changed)

        parts.tuning.subscribe(self._apply)
        self._apply(parts.tuning.current)
        ticker.every(1.0, parts.tuning.poll, "tuning")
        ticker.every(5.0, poll_keys, "keys")
        ticker.every(DRAIN_EVERY_S, self._follower.drain, "outbox")
        ticker.every(30.0, parts.database.prune, "idle connections")
        return ticker

    def _apply(self, tuning: Tuning) -> None:
        self._parts.database.apply(tuning.database)
        self._follower.apply(tuning.cache.lease_ms)

    async def _in_thread(self, call: Any, *args: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._threads, call, *args)


def serve(settings: Settings) -> int:
    """Run the gateway; returns the exit code."""
    configure_logging(settings.log_level)
    logging.getLogger("websockets").setLevel(logging.WARNING)
    check_at_start(settings)
    install("threads")
    parts = Parts(settings)
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(Gateway(parts).run())
    finally:
        parts.close()
    return 0
