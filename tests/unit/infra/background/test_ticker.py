"""Periodic tasks, which go on after exceptions."""

import itertools
import threading
from types import SimpleNamespace

import pytest

from app.infra.background import ticker as module
from app.infra.background.ticker import Ticker


def test_tasks_repeat_after_an_exception() -> None:
    ticker, failures, again = Ticker(), [], threading.Event()

    def fail() -> None:
        failures.append(1)
        raise RuntimeError

    def follow() -> None:
        if len(failures) >= 3:
            again.set()

    ticker.every(0.001, fail, "fails")
    ticker.every(0.001, follow, "follows")
    ticker.start()
    assert again.wait(10)
    ticker.stop()


def test_a_stopped_ticker_runs_nothing_more() -> None:
    ticker, runs, ran = Ticker(), [], threading.Event()

    def run() -> None:
        runs.append(1)
        ran.set()

    ticker.every(0.001, run, "runs")
    ticker.start()
    assert ran.wait(10)
    ticker.stop()
    before = len(runs)
    assert not threading.Event().wait(0.02)
    assert len(runs) == before


def test_the_rare_task_does_not_wait_for_the_frequent_one() -> None:
    ticker, order, done = Ticker(), [], threading.Event()
    ticker.every(0.001, lambda: order.append("frequent"), "frequent")
    ticker.every(0.02, done.set, "rare")
    ticker.start()
    assert done.wait(10)
    ticker.stop()
    assert order


def test_stop_without_start_does_nothing() -> None:
    Ticker().stop()


def test_a_sweep_goes_on_while_its_batches_are_full(monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock stands still from the start on, so that nothing comes again after its period."""
    monkeypatch.setattr(module, "PAUSE_S", 0.001)
    clock = itertools.chain([0.0], itertools.repeat(600.0)).__next__
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=clock))
    ticker, order, done, batches = Ticker(), [], threading.Event(), [1_000, 100, 99]

    def sweep() -> int:
        order.append("sweep")
        if len(batches) == 1:
            done.set()
        return batches.pop(0)

    def other() -> int:
        order.append("other")
        return 1_000

    ticker.sweep(600.0, sweep, "rows")
    ticker.every(600.0, other, "other")
    ticker.start()
    assert done.wait(10)
    assert not threading.Event().wait(0.02)
    ticker.stop()
    assert order == ["sweep", "other", "sweep", "sweep"]


@pytest.mark.parametrize(("took_s", "pause_s"), [(0.01, 1.0), (0.5, 5.0), (90.0, 600.0)])
def test_a_sweep_pauses_for_ten_times_as_long_as_its_batch(
    took_s: float, pause_s: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    ticker, waits, done = Ticker(), [], threading.Event()
    clock = itertools.chain([0.0, 600.0, 600.0, 600.0 + took_s], itertools.repeat(600.0 + took_s)).__next__
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=clock))

    class Waiting(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            waits.append(timeout)
            if len(waits) == 2:
                done.set()
            return len(waits) == 2

    ticker._stopping = Waiting()
    ticker.sweep(600.0, lambda: 1_000, "rows")
    ticker.start()
    assert done.wait(10)
    ticker.stop()
    assert waits == [0.0, pytest.approx(pause_s)]
