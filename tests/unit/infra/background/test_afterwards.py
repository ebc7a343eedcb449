"""Optional work never fails or delays whoever asks for it."""

import threading

import pytest

from app.errors import Unavailable
from app.infra.background.afterwards import Afterwards

PATIENCE_S = 10


def fail(error: Exception) -> None:
    raise error


def test_work_is_done_in_its_order_by_another_thread() -> None:
    done: list[tuple[int, int]] = []
    finished = threading.Event()
    afterwards = Afterwards()
    for number in range(5):
        assert afterwards.do(lambda each: done.append((each, threading.get_ident())), number)
    afterwards.do(finished.set)
    assert finished.wait(PATIENCE_S)
    assert [number for number, _ in done] == [0, 1, 2, 3, 4]
    assert threading.get_ident() not in {thread for _, thread in done}


def test_what_fails_does_not_keep_others_from_being_done() -> None:
    finished = threading.Event()
    afterwards = Afterwards()
    for error in (Unavailable("down"), RuntimeError("a bug")):
        assert afterwards.do(fail, error)
    afterwards.do(finished.set)
    assert finished.wait(PATIENCE_S)


def test_nobody_waits_for_work_that_hangs_and_too_much_is_dropped() -> None:
    begun, may_end, finished = threading.Event(), threading.Event(), threading.Event()
    afterwards = Afterwards(waiting=2)

    def hang() -> None:
        begun.set()
        may_end.wait(PATIENCE_S)

    assert afterwards.do(hang)
    assert begun.wait(PATIENCE_S)
    assert [afterwards.do(finished.set) for _ in range(4)] == [True, True, False, False]
    assert not finished.is_set()
    may_end.set()
    assert finished.wait(PATIENCE_S)


def test_it_begins_again_after_it_has_been_idle(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.infra.background.afterwards.IDLE_SECONDS", 0.0)
    afterwards = Afterwards()
    for _ in range(50):
        finished = threading.Event()
        assert afterwards.do(finished.set)
        assert finished.wait(PATIENCE_S)
