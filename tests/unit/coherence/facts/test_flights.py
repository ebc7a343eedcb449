"""Single flight: concurrent loads of one key share a query."""

import threading

import pytest

from app.coherence.facts.flights import Flight, Flights
from app.errors import Unavailable


def test_late_waiter_takes_the_result_of_the_next_flight() -> None:
    flights: Flights[str] = Flights(threading.Event)
    first, leads = flights.board(1)
    assert leads
    assert flights.board(1) == (first, False)
    with flights.flying(1, first):
        first.land("old", 1, fresh=True)
    second, leads = flights.board(1, after=first)
    assert leads
    with flights.flying(1, second):
        second.land("new", 2, fresh=True)
    assert flights.board(1, after=first) == (second, False)
    second.wait()
    assert second.value == "new"


def test_new_caller_starts_a_new_flight() -> None:
    flights: Flights[str] = Flights(threading.Event)
    first, _ = flights.board(1)
    with flights.flying(1, first):
        first.land("old", 1, fresh=True)
    assert flights.board(1)[1]


def test_waiting_for_a_flight_times_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.coherence.facts.flights.JOIN_LIMIT_S", 0.01)
    with pytest.raises(Unavailable):
        Flight[str](threading.Event()).wait()
