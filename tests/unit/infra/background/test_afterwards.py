"""Background work never fails or delays its caller."""

import threading

import pytest

from app.errors import Unavailable
from app.infra.background.afterwards import Afterwards

PATIENCE_S = 10


def fail(error: Exception) -> None:
    raise error


def test_work_runs_in_order_in_another_thread() -> None:
    done: list[tuple[int, int]] = []
    finished = threading.Event()
    afterwards = Afterwards()
    for number in range(5):
        assert afterwards.do(lambda each: done.append((each, threading.get_ident())), number)
    afterwards.do(finished.set)
    assert finished.wait(PATIENCE_S)
    assert [number for number, _ in done] == [0, 1, 2, 3, 4]
    assert threading.get_ident() not in {thread for _, thread in done}


def test_failing_work_does_not_stop_later_work() -> None:
    finished = threading.Event()
    afterwards = Afterwards()
    for error in (Unavailable("down"), RuntimeError("a bug")):
        assert afterwards.do(fail, error)
    afterwards.do(finished.set)
    assert finished.wait(PATIENCE_S)


def test_hanging_work_blocks_no_caller_and_excess_work_is_dropped() -> None:
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


def test_work_runs_again_after_an_idle_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.infra.background.afterwards.IDLE_SECONDS", 0.0)
    afterwards = Afterwards()
    for _ in range(50):
        finished = threading.Event()
        assert afterwards.do(finished.set)
        assert finished.wait(PATIENCE_S)
