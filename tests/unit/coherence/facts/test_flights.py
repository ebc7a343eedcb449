"""Single flight."""

import threading

import pytest

from app.coherence.facts.flights import Flight, Flights
from app.errors import Unavailable


def test_who_wakes_late_takes_the_outcome_of_the_flight_that_followed() -> None:
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


def test_who_has_not_waited_gets_a_flight_of_the_present() -> None:
    flights: Flights[str] = Flights(threading.Event)
    first, _ = flights.board(1)
    with flights.flying(1, first):
        first.land("old", 1, fresh=True)
    assert flights.board(1)[1]


def test_a_flight_that_never_ends_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.coherence.facts.flights.JOIN_LIMIT_S", 0.01)
    with pytest.raises(Unavailable):
        Flight[str](threading.Event()).wait()
