"""When a fact is proven valid, and the limit of remembered changes."""

from app.coherence.log.history import History, State, ignorance


def known(history: History, position: int) -> State:
    return State(history, position, 0)


def test_fact_is_proven_between_history_begin_and_position() -> None:
    state = known(History(10), 20)
    assert [position for position in range(8, 23) if state.proves(("user:1",), position)] == list(range(10, 21))


def test_change_invalidates_only_older_facts_of_its_key() -> None:
    history = History(10)
    history.record({12: "user:1"})
    state = known(history, 12)
    assert not state.proves(("user:1",), 11)
    assert state.proves(("user:1",), 12)
    assert state.proves(("user:2",), 11)


def test_fact_with_two_keys_is_invalidated_by_either() -> None:
    history = History(10)
    history.record({12: "user:1"})
    assert not known(history, 12).proves(("session:5", "user:1"), 11)
    assert not known(history, 12).proves(("user:1", "session:5"), 11)


def test_the_last_change_of_a_key_counts() -> None:
    history = History(10)
    history.record({13: "user:1", 11: "user:1", 12: "user:2"})
    assert not known(history, 13).proves(("user:1",), 12)


def test_dropped_changes_move_the_beginning() -> None:
    history = History(10, limit=2)
    history.record({11: "a", 12: "b", 13: "a", 14: "c"})
    assert dict(history.changes) == {"a": 13, "c": 14}
    assert history.begin == 12
    assert not known(history, 14).proves(("b",), 11)
    assert known(history, 14).proves(("b",), 12)


def test_history_never_exceeds_its_limit() -> None:
    history = History(0, limit=100)
    for first in range(0, 5000, 50):
        history.record({position: f"user:{position * 7919 % 997}" for position in range(first, first + 50)})
        assert len(history.changes) <= 100


def test_before_the_first_look_nothing_is_proven() -> None:
    assert not any(ignorance().proves(("user:1",), position) for position in (-1, 0, 1, 2, 1 << 62))
