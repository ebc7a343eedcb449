"""All channels of this process: admits them, hands events to them, asks for doubted sessions, and ends them."""

import asyncio
import logging
import time
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from itertools import islice
from typing import Any

from app.auth.live.store import LiveSession, LiveSessions
from app.auth.tokens import AccessTokens
from app.errors import InvalidToken, RateLimited, Unavailable
from app.events.service import BATCH, Position, Resync
from app.events.streams.service import StreamLog, parse, spell
from app.events.streams.store import StreamEvent
from app.realtime.channel import Channel, Wire
from app.realtime.leash import Leash, now_ns
from app.realtime.messages import (
    OTHER_SESSION,
    SESSION_ENDED,
    TOKEN_EXPIRED,
    UNAUTHENTICATED,
    Event,
    encode,
    own,
)

log = logging.getLogger(__name__)

READ_EVERY_S = 0.1
PAUSE_S = 0.5
ASK_MOST = 1000
PING_EVERY_S = 25.0
Run = Callable[..., Awaitable[Any]]
"""Runs a blocking call in a thread."""


@dataclass(frozen=True, slots=True)
class Sources:
    """What the hub asks: events, sessions and tokens."""

    events: StreamLog
    sessions: LiveSessions
    tokens: AccessTokens


class Hub:
    """Belongs to the event loop.

    Totals since the start: `counts` by name, `ends` by close code, where 0 is an end by the client, and `refusals` by
    HTTP status, also of clients that were refused by a close code.
    """

    def __init__(self, sources: Sources, run: Run, most: Callable[[], int], *, logged: bool) -> None:
        """`most` returns how many channels a user may have, `logged` says that there is a change log to follow."""
        self._events, self._sessions, self._tokens = sources.events, sources.sessions, sources.tokens
        self._run, self._most = run, most
        self.leash = Leash(asyncio.get_running_loop(), self.doubt, self._flush, logged=logged)
        self.channels: set[Channel] = set()
        self._by_user: defaultdict[int, set[Channel]] = defaultdict(set)
        self._doubted: set[Channel] = set()
        self._asking: asyncio.Task[None] | None = None
        self._held: dict[Channel, None] = {}  # as a set, in the order in which they have to wait
        self._tasks: set[asyncio.Future[None]] = set()
        self.position: Position | None = None
        self.read_at = time.monotonic()
        self.ends: Counter[int] = Counter()
        self.refusals: Counter[int] = Counter()
        self.counts = {"sent": 0, "resumed": 0, "resynced": 0}

    def admit(self, wire: Wire, token: str, resume: str) -> Channel:
        """A channel for a valid token; it gets `ready` first, once its session is known to live.

        Raises InvalidToken, RateLimited beyond the account's most channels, or Unavailable before the first read.
        """
        claims = self._tokens.verify(token)
        if self.position is None:
            raise Unavailable("events cannot be read yet")
        mine = self._by_user.get(claims.user_id, ())
        if len(mine) >= self._most():
            raise RateLimited("connections", self._most(), 60, 60)
        channel = Channel(wire, token, claims, self._may_send, self._forget)
        self.channels.add(channel)
        self._by_user[claims.user_id].add(channel)
        self.leash.add(channel)
        now, kept = self.position, parse(resume, self.position) if resume else self.position
        channel.replaying, channel.pinged_at = True, time.monotonic()
        channel.after = now.place if kept is None else max(now.place, kept.place)
        self.doubt([channel])
        self._tasks.add(begun := asyncio.ensure_future(self._begin(channel, kept, now)))
        begun.add_done_callback(self._tasks.discard)
        return channel

    def renew(self, channel: Channel, token: str) -> None:
        """Go on with a renewed token of the same session; the channel ends for any other."""
        try:
            claims = self._tokens.verify(token)
        except InvalidToken as error:
            channel.end(UNAUTHENTICATED, error.detail)
            return
        if claims.session_id != channel.claims.session_id:
            channel.end(UNAUTHENTICATED, OTHER_SESSION)
        elif self.position is not None:
            channel.claims, channel.token = claims, token
            channel.say("renewed", Position(self.position.era, channel.after), {"expires_at": claims.expires_at})

    def doubt(self, channels: Iterable[Channel]) -> None:
        """Ask whether their sessions live before they are sent to again."""
        for channel in channels:
            channel.doubted = True
            channel.mark += 1
            self._doubted.add(channel)
        if self._doubted and (self._asking is None or self._asking.done()):
            self._asking = asyncio.ensure_future(self._ask())

    async def read(self) -> None:
        """Hand events to channels, for ever."""
        while True:
            try:
                full = await self._read_once()
            except Resync:
                log.warning("events begin anew; every client is told to resync")
                self.position = None
            except Unavailable as error:
                log.info("events cannot be read", extra={"reason": error.detail})
                await asyncio.sleep(PAUSE_S)
            else:
                if not full:
                    await asyncio.sleep(READ_EVERY_S)

    async def sweep(self) -> None:
        """End what has expired, send what keeps connections open, and ask for all sessions while there is no log."""
        adrift_every = 0
        while True:
            await asyncio.sleep(1.0)
            wall, now = time.time(), time.monotonic()
            for channel in list(self.channels):
                if channel.claims.expires_at <= wall:
                    channel.end(UNAUTHENTICATED, TOKEN_EXPIRED)
                elif 0 < channel.ends_at <= wall:
                    channel.end(UNAUTHENTICATED, SESSION_ENDED)
                elif now - channel.pinged_at > PING_EVERY_S and not channel.waiting and self.position is not None:
                    channel.pinged_at = now
                    place = max(channel.after, self.position.place)
                    channel.say("ping", Position(self.position.era, place))
            adrift_every += 1
            if self.leash.adrift and adrift_every % 2 == 0:
                self.doubt(self.channels)

    def keys_changed(self) -> None:
        """End the channels whose token is signed with a withdrawn key."""
        for channel in list(self.channels):
            try:
                self._tokens.verify(channel.token)
            except InvalidToken as error:
                channel.end(UNAUTHENTICATED, error.detail)

    async def _read_once(self) -> bool:
        """Read and hand on once; returns whether there may be more."""
        if self.position is None:
            self.position = await self._run(self._events.newest)
            for channel in list(self.channels):
                channel.after = self.position.place
                channel.say("resync", self.position)
        events, position = await self._run(self._events.read, self.position)
        for event in events:
            self._hand_on(event, position.era)
        self.position, self.read_at = position, time.monotonic()
        return len(events) == BATCH

    def _hand_on(self, event: StreamEvent, era: str) -> None:
        if channels := self._by_user.get(event.user_id):
            shaped = _shaped(event, era)
            text = encode(shaped)
            for channel in list(channels):
                if event.type == "account.session_ended" and event.data["session_id"] == channel.claims.session_id:
                    channel.end(UNAUTHENTICATED, SESSION_ENDED)
                    continue
                channel.offer(shaped, text, event.place)
                self.counts["sent"] += 1

    async def _begin(self, channel: Channel, kept: Position | None, now: Position) -> None:
        """Send `ready`, then what has come after `kept`, or `resync` where that is no longer known."""
        said = {"expires_at": channel.claims.expires_at}
        try:
            if kept is None:
                raise Resync
            missed = await self._missed(channel, kept, now)
            first = kept if missed or kept.place > now.place else now
            channel.replayed([own("ready", first, said), *missed])
        except Resync:
            self.counts["resynced"] += 1
            channel.after = max(now.place, min(channel.after, self.position.place if self.position else now.place))
            channel.replayed([own("ready", now, said), own("resync", now)])

    async def _missed(self, channel: Channel, kept: Position, now: Position) -> list[Event]:
        if kept is now:
            return []
        found = await self._patiently(self._events.missed, channel.claims.user_id, kept, now.place)
        self.counts["resumed"] += 1
        return [_shaped(event, now.era) for event in found]

    async def _ask(self) -> None:
        """Ask for the sessions of doubted channels until none is left."""
        while self._doubted:
            batch = {channel: channel.mark for channel in list(self._doubted)[:ASK_MOST]}
            start_ns = now_ns()
            ids = [channel.claims.session_id for channel in batch]
            live = await self._patiently(self._sessions.find, ids)
            for channel, mark in batch.items():
                self._answered(channel, live.get(channel.claims.session_id), mark, start_ns)

    def _answered(self, channel: Channel, found: LiveSession | None, mark: int, start_ns: int) -> None:
        if channel.closed or channel.mark != mark:
            return
        self._doubted.discard(channel)
        if found is None or found.user_id != channel.claims.user_id:
            channel.end(UNAUTHENTICATED, SESSION_ENDED)
            return
        channel.doubted, channel.ends_at, channel.checked_ns = False, found.ends_at, start_ns
        channel.flush()

    async def _patiently(self, call: Callable[..., Any], *args: object) -> Any:
        while True:
            try:
                return await self._run(call, *args)
            except Unavailable:
                await asyncio.sleep(PAUSE_S)

    def _may_send(self, channel: Channel) -> bool:
        """As the leash says; what has to wait without a log is asked for at once."""
        if self.leash.may_send(channel):
            return True
        if self.leash.adrift and not channel.doubted:
            self.doubt([channel])
        self._held[channel] = None
        return False

    def _flush(self) -> None:
        """Send what had to wait, as far as one lease goes: of thousands the next one takes the others."""
        left, self._held = self._held, {}
        visited = 0
        for channel in left:
            if not self.leash.leased:
                break
            channel.flush()
            visited += 1
        self._held = dict(islice(left.items(), visited, None)) | self._held

    def _forget(self, channel: Channel, code: int) -> None:
        self.ends[code] += 1
        self.channels.discard(channel)
        self._doubted.discard(channel)
        self._held.pop(channel, None)
        self.leash.remove(channel)
        mine = self._by_user[channel.claims.user_id]
        mine.discard(channel)
        if not mine:
            del self._by_user[channel.claims.user_id]


def _shaped(event: StreamEvent, era: str) -> Event:
    return Event(spell(Position(era, event.place)), event.type, event.at, event.data)
