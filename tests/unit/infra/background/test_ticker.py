"""Periodic tasks, which go on after exceptions."""

import threading

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
