"""When a channel may be sent to: the lease, doubts that looks raise, and answers of PostgreSQL that come late."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from app.auth.live.store import LiveSession
from app.auth.tokens import Claims
from app.coherence.clock import MS_IN_NS
from app.events.service import Position
from app.events.store import Place
from app.events.streams.store import StreamEvent
from app.realtime import hub, leash
from app.realtime.channel import Channel
from app.realtime.hub import Hub, Sources
from app.realtime.messages import Event

LATER = 1 << 40
NOW = datetime(2026, 11, 29, tzinfo=UTC)
POSITION = Position("0123456789", Place(1, 100, 0))


class Wire:
    """Keeps what is written, and how it was closed."""

    def __init__(self) -> None:
        self.ready, self.closed = True, 0
        self.types: list[str] = []

    def frame(self, event: Event, text: bytes) -> bytes:
        return event.type.encode() + b" "

    def write(self, frames: bytes) -> None:
        self.types += frames.decode().split()

    def close(self, code: int, reason: str) -> None:
        self.closed = code


class World:
    """A hub over sessions in memory; `now_ns` is the clock. A call of the hub waits in `asked` until `answer`."""

    def __init__(self) -> None:
        self.now_ns = 10_000 * MS_IN_NS
        self.live = {7: LiveSession(1, LATER)}
        self.asked: list[tuple[Callable[..., Any], tuple[Any, ...], asyncio.Future[Any]]] = []
        sources: Any = Sources(Events(), self, self)  # type: ignore[arg-type]
        self.hub = Hub(sources, self._run, lambda: 20, logged=True)
        self.hub.position = POSITION
        self.wire = Wire()

    def verify(self, token: str) -> Claims:
        return Claims(1, int(token), LATER)

    def find(self, session_ids: list[int]) -> dict[int, LiveSession]:
        return {each: self.live[each] for each in session_ids if each in self.live}

    async def _run(self, call: Callable[..., Any], *args: Any) -> Any:
        future = asyncio.get_running_loop().create_future()
        self.asked.append((call, args, future))
        return await future

    async def answer(self, found: Any = None) -> None:
        """Answer the oldest call, with what is true now unless `found` is given."""
        call, args, future = self.asked.pop(0)
        future.set_result(call(*args) if found is None else found)
        await settle()

    async def look(self, *keys: str, history: bool = False) -> None:
        """What the thread that looks tells: `keys` have changed, or everything may have; then a lease begins."""
        self.hub.leash.looked(1, None if history else list(keys), self.now_ns, 50 * MS_IN_NS)
        await settle()

    async def happen(self, number: int) -> None:
        event = StreamEvent(Place(1, 100, number), 1, "account.profile_changed", NOW, {})
        self.hub._hand_on(event, POSITION.era)
        await settle()


class Events:
    def missed(self, user_id: int, position: Position, until: Place) -> list[StreamEvent]:
        return []


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Callable[[], World]:
    def make() -> World:
        made = World()
        monkeypatch.setattr(leash, "now_ns", lambda: made.now_ns)
        monkeypatch.setattr(hub, "now_ns", lambda: made.now_ns)
        return made

    return make


async def admitted(world: World) -> None:
    world.hub.admit(world.wire, "7", "")
    await settle()
    await world.answer()
    assert world.wire.types == ["ready"]
    world.wire.types.clear()
    world.now_ns += 60 * MS_IN_NS


def run(body: Callable[[], Any]) -> None:
    asyncio.run(body())


def test_lease_lets_send_and_ends(world: Callable[[], World]) -> None:
    async def body() -> None:
        made = world()
        await admitted(made)
        await made.look()
        await made.happen(1)
        assert made.wire.types == ["account.profile_changed"]
        made.now_ns += 50 * MS_IN_NS
        await made.happen(2)
        assert len(made.wire.types) == 1
        await made.look()
        assert len(made.wire.types) == 2
        assert made.asked == []

    run(body)


def test_lease_that_ends_while_events_are_sent(world: Callable[[], World]) -> None:
    """With many channels, sending takes longer than a lease: the next one goes on, and an old one is not tried."""

    async def body() -> None:
        made = world()
        for _ in range(3):
            await admitted(made)
        await made.look()
        made.now_ns += 60 * MS_IN_NS
        await made.happen(1)
        write, may_send, asked = made.wire.write, made.hub.leash.may_send, list[Channel]()

        def slow_write(frames: bytes) -> None:
            made.now_ns += 30 * MS_IN_NS
            write(frames)

        def counted(channel: Channel) -> bool:
            asked.append(channel)
            return may_send(channel)

        made.wire.write = slow_write  # type: ignore[method-assign]
        made.hub.leash.may_send = counted  # type: ignore[method-assign]
        await made.look()
        assert (len(made.wire.types), len(asked)) == (2, 2)
        made.hub.leash.looked(1, [], made.now_ns - 50 * MS_IN_NS, 50 * MS_IN_NS)
        await settle()
        assert (len(made.wire.types), len(asked)) == (2, 2)
        await made.look()
        assert (len(made.wire.types), len(set(asked))) == (3, 3)

    run(body)


@pytest.mark.parametrize("change", ["session:7", "user:1", "history"])
def test_named_session_waits_for_postgresql(world: Callable[[], World], change: str) -> None:
    async def body() -> None:
        made = world()
        await admitted(made)
        await made.look(*([] if change == "history" else [change]), history=change == "history")
        await made.happen(1)
        assert made.wire.types == []
        await made.answer()
        assert made.wire.types == ["account.profile_changed"]

    run(body)


def test_ended_session_gets_nothing_of_what_waited(world: Callable[[], World]) -> None:
    async def body() -> None:
        made = world()
        await admitted(made)
        made.live.clear()
        await made.look("session:7")
        await made.happen(1)
        await made.answer()
        assert (made.wire.types, made.wire.closed) == ([], 4401)
        assert not made.hub.channels

    run(body)


def test_answer_to_an_earlier_question_does_not_count(world: Callable[[], World]) -> None:
    """PostgreSQL was asked before the second change was told, so that its answer may be older than the change."""

    async def body() -> None:
        made = world()
        await admitted(made)
        await made.look("user:1")
        old = dict(made.live)
        made.live.clear()
        await made.look("session:7")
        made.now_ns += 60 * MS_IN_NS
        await made.look()
        await made.happen(1)
        await made.answer(old)
        assert made.wire.types == []
        await made.answer()
        assert (made.wire.types, made.wire.closed) == ([], 4401)

    run(body)


def test_answer_counts_for_the_longest_lease_without_a_log(world: Callable[[], World]) -> None:
    """Whoever ends a session waits longer than that before the answer."""

    async def body() -> None:
        made = world()
        await admitted(made)
        made.now_ns += leash.ADRIFT_NS + 60 * MS_IN_NS
        await made.happen(1)
        assert made.wire.types == []
        await made.answer()
        assert made.wire.types == ["account.profile_changed"]
        made.now_ns += 49 * MS_IN_NS
        await made.happen(2)
        assert len(made.wire.types) == 2
        made.now_ns += MS_IN_NS
        made.live.clear()
        await made.happen(3)
        await made.answer()
        assert (len(made.wire.types), made.wire.closed) == (2, 4401)

    run(body)


def test_unread_events_end_the_connection(world: Callable[[], World]) -> None:
    async def body() -> None:
        made = world()
        await admitted(made)
        await made.look()
        made.wire.ready = False
        for number in range(30_000):
            made.hub._hand_on(StreamEvent(Place(1, 100, number), 1, "account.x", NOW, {}), POSITION.era)
        assert (made.wire.types, made.wire.closed) == ([], 1013)

    run(body)


def test_session_is_never_told_of_its_own_end(world: Callable[[], World]) -> None:
    async def body() -> None:
        made = world()
        await admitted(made)
        await made.look()
        event = StreamEvent(Place(1, 100, 1), 1, "account.session_ended", NOW, {"session_id": 7})
        made.hub._hand_on(event, POSITION.era)
        assert (made.wire.types, made.wire.closed) == ([], 4401)

    run(body)
