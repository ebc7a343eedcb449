"""The checker reports each kind of violation, and none in a history that a correct service can produce."""

from dataclasses import replace

import pytest

from tests.integration.finality.harness.history import HEARD_NS, Kind, Operation, Violation
from tests.integration.finality.harness.rules import violations
from tests.pods.faults import Faults, Interval

USER, PHONE, LAPTOP = 1, 11, 12


def operation(kind: Kind, start: int, end: int, status: int, session: int | None = PHONE) -> Operation:
    return Operation(kind, USER, start, end, status, session, subject=USER if kind is Kind.READ else None)


def login(session: int, start: int = 0, end: int = 10) -> Operation:
    return operation(Kind.LOGIN, start, end, 200, session)


def read(start: int, end: int, status: int = 200, session: int = PHONE, version: int = 1) -> Operation:
    return replace(operation(Kind.READ, start, end, status, session), version=version)


def edit(start: int, end: int, version: int, text: str = "") -> Operation:
    return replace(operation(Kind.EDIT, start, end, 200), version=version, text=text or f"text {version}", subject=USER)


def rules(*history: Operation, faults: Faults | None = None) -> list[str]:
    return [each.rule for each in violations(history, faults)]


ENDED = ["an ended session was accepted"]
REFUSED = ["a live session was refused"]
STALE = ["a profile older than an acknowledged change was read"]


def test_request_started_after_a_logout_must_be_refused() -> None:
    logout = operation(Kind.LOGOUT, 20, 80, 204)
    late = read(81, 90)
    assert violations([login(PHONE), logout, late]) == [Violation(ENDED[0], late, logout)]


def test_request_started_before_the_204_may_get_either_status() -> None:
    logout = operation(Kind.LOGOUT, 20, 80, 204)
    assert rules(login(PHONE), logout, read(79, 200), read(70, 90, status=401)) == []


@pytest.mark.parametrize("status", [0, 503])
def test_logout_without_a_204_allows_either_status(status: int) -> None:
    logout = operation(Kind.LOGOUT, 20, 80, status)
    crash = Faults(crashes=[Interval(0, 100)])
    assert rules(login(PHONE), logout, read(90, 95), read(96, 99, status=401), faults=crash) == []


@pytest.mark.parametrize("kind", [Kind.LOGOUT_ALL, Kind.PASSWORD, Kind.DELETE])
def test_end_of_all_sessions_covers_those_opened_before(kind: Kind) -> None:
    ending = operation(kind, 20, 80, 204)
    assert rules(login(PHONE), login(LAPTOP), ending, read(90, 95, session=LAPTOP)) == ENDED
    assert rules(login(PHONE), login(LAPTOP, 15, 21), ending, read(90, 95, session=LAPTOP)) == []


@pytest.mark.parametrize("kind", [Kind.SQL_EPOCH, Kind.SQL_REVOKE, Kind.SQL_DELETE])
def test_session_ended_by_sql_may_be_accepted_for_five_seconds(kind: Kind) -> None:
    ending = operation(kind, 20, 80, 204)
    assert rules(login(PHONE), ending, read(80 + HEARD_NS, 90 + HEARD_NS)) == []
    assert rules(login(PHONE), ending, read(81 + HEARD_NS, 90 + HEARD_NS)) == ENDED
    assert rules(login(PHONE), replace(ending, status=503), read(81 + HEARD_NS, 90 + HEARD_NS)) == []
    assert rules(login(PHONE), ending, read(90, 95, status=401)) == []


@pytest.mark.parametrize("fault", ["silence", "outages"])
def test_five_seconds_restart_after_a_silent_log_or_database(fault: str) -> None:
    ending, interval = operation(Kind.SQL_EPOCH, 20, 80, 204), Interval(HEARD_NS, 2 * HEARD_NS)
    faults, later = Faults(), Faults()
    getattr(faults, fault).append(interval)
    assert rules(login(PHONE), ending, read(3 * HEARD_NS, 4 * HEARD_NS), faults=faults) == []
    assert rules(login(PHONE), ending, read(3 * HEARD_NS + 1, 4 * HEARD_NS), faults=faults) == ENDED
    getattr(later, fault).append(replace(interval, start=2 * HEARD_NS, end=3 * HEARD_NS))
    assert rules(login(PHONE), ending, read(3 * HEARD_NS, 4 * HEARD_NS), faults=later) == ENDED


def test_sql_commits_while_the_log_is_silent() -> None:
    assert rules(login(PHONE), operation(Kind.SQL_EPOCH, 20, 80, 204), faults=Faults(silence=[Interval(10, 100)])) == []


def test_a_password_change_leaves_its_own_session_alive() -> None:
    change = operation(Kind.PASSWORD, 20, 80, 204)
    assert rules(login(PHONE), change, read(90, 95)) == []
    assert rules(login(PHONE), change, read(90, 95, status=401)) == REFUSED


def test_ending_another_session_leaves_its_own_alive() -> None:
    ending = replace(operation(Kind.END_SESSION, 20, 80, 204), target=LAPTOP)
    assert rules(login(PHONE), login(LAPTOP), ending, read(90, 95)) == []
    assert rules(login(PHONE), login(LAPTOP), ending, read(90, 95, session=LAPTOP)) == ENDED


def test_a_revocation_ends_its_session() -> None:
    revocation = operation(Kind.REVOKE, 20, 80, 200)
    assert rules(login(PHONE), revocation, read(90, 95)) == ENDED
    assert rules(login(PHONE), replace(revocation, status=400), read(90, 95, status=401)) == [
        "the answer was 400",
        "a live session was refused",
    ]


def test_refused_reuse_ends_its_family() -> None:
    reuse = operation(Kind.REUSE, 20, 80, 401)
    assert rules(login(PHONE), reuse, read(90, 95)) == ENDED


def test_a_refresh_of_an_ended_session_must_not_be_accepted() -> None:
    logout = operation(Kind.LOGOUT, 20, 80, 204)
    assert rules(login(PHONE), logout, operation(Kind.REFRESH, 90, 95, 200)) == ENDED


def test_repeated_logout_everywhere_must_be_refused_after_a_login() -> None:
    first = operation(Kind.LOGOUT_ALL, 20, 40, 204)
    again = operation(Kind.LOGOUT_ALL, 60, 120, 204)
    between, late = login(13, 45, 50), read(130, 140, session=13)
    assert rules(login(PHONE), first, between, again, late) == ENDED
    assert rules(login(PHONE), first, between, replace(again, status=401), late) == []
    assert rules(login(PHONE), first, between, replace(again, start=48), late) == []


def test_refusal_without_a_cause_is_a_violation() -> None:
    assert rules(login(PHONE), read(20, 30, status=401)) == REFUSED
    assert rules(login(PHONE), read(20, 30, status=401), operation(Kind.LOGOUT, 29, 80, 204)) == []
    assert rules(login(PHONE), read(20, 30, status=401), operation(Kind.LOGOUT, 31, 80, 204)) == REFUSED


def test_session_opened_after_logout_everywhere_must_be_accepted() -> None:
    ending = operation(Kind.LOGOUT_ALL, 20, 80, 204, session=LAPTOP)
    assert rules(login(LAPTOP), ending, login(PHONE, 81, 85), read(90, 95, status=401)) == REFUSED


def test_only_a_repeated_refresh_may_end_its_own_session() -> None:
    refresh = operation(Kind.REFRESH, 20, 30, 401)
    assert rules(login(PHONE), refresh) == REFUSED
    assert rules(login(PHONE), replace(refresh, repeated=True), read(40, 50, status=401)) == []


def test_a_read_must_not_be_older_than_a_change_acknowledged_before_it() -> None:
    assert rules(login(PHONE), edit(20, 80, version=2), read(81, 90, version=1)) == STALE
    assert rules(login(PHONE), edit(20, 80, version=2), read(79, 90, version=1)) == []
    assert rules(login(PHONE), edit(20, 80, version=2), read(81, 90, version=2)) == []


def test_greatest_acknowledged_version_counts() -> None:
    history = [login(PHONE), edit(20, 60, version=3), edit(20, 80, version=2)]
    assert rules(*history, read(90, 95, version=2)) == STALE
    assert rules(*history, read(70, 95, version=3)) == []


def test_version_of_a_public_profile_follows_from_its_text() -> None:
    public = replace(read(90, 95), version=None, text="text 2")
    assert rules(login(PHONE), edit(20, 30, version=2), edit(40, 50, version=3), public) == STALE


def test_two_changes_with_one_version_are_a_violation() -> None:
    history = [login(PHONE), edit(20, 60, version=2, text="a"), edit(20, 80, version=2, text="b")]
    assert rules(*history) == ["two changes were given the same version"]


def test_version_must_be_read_with_its_own_text() -> None:
    wrong = replace(read(70, 80, version=2), text="another")
    assert rules(login(PHONE), edit(20, 60, version=2), wrong) == [
        "a version was read with a text that was never written in it"
    ]


def test_replaced_password_must_be_refused() -> None:
    change = replace(operation(Kind.PASSWORD, 20, 80, 204), secret="old", new_secret="new")
    late = replace(login(LAPTOP, 81, 90), secret="old")
    assert rules(login(PHONE), change, late) == ["a replaced password was accepted"]
    assert rules(login(PHONE), change, replace(late, start=70)) == []


def test_current_password_may_be_refused_only_during_a_change() -> None:
    refused = replace(operation(Kind.LOGIN, 30, 40, 401, session=None), secret="old")
    change = replace(operation(Kind.PASSWORD, 35, 80, 204), secret="old", new_secret="new")
    assert rules(login(PHONE), refused) == ["the present password was refused"]
    assert rules(login(PHONE), refused, change) == []
    assert rules(login(PHONE), refused, operation(Kind.LOGOUT_ALL, 35, 80, 204)) == []


def test_end_must_not_be_final_while_the_log_is_silent() -> None:
    logout = operation(Kind.LOGOUT, 20, 80, 204)
    impossible = ["an end was promised that could not be published"]
    assert rules(login(PHONE), logout, faults=Faults(silence=[Interval(10, 100)])) == impossible
    assert rules(login(PHONE), logout, faults=Faults(silence=[Interval(10, 70)])) == []


def test_lost_request_without_a_crash_of_its_worker_is_a_violation() -> None:
    lost = replace(read(20, 30, status=0), pod="a", worker="w1")
    alive = replace(read(40, 50), pod="a", worker="w1")
    idle = replace(lost, start=90, end=91)
    crash, elsewhere = Faults(crashes=[Interval(25, 26, "a")]), Faults(crashes=[Interval(25, 26, "b")])
    assert rules(login(PHONE), lost, faults=crash) == []
    assert rules(login(PHONE), idle, faults=crash) == []
    assert rules(login(PHONE), replace(idle, worker=""), faults=crash) == ["a request was lost and nothing had crashed"]
    assert rules(login(PHONE), lost, faults=elsewhere) == ["a request was lost and nothing had crashed"]
    assert rules(login(PHONE), lost, alive, faults=crash) == ["a request was lost by a worker that lived on"]


def test_write_on_a_pod_with_another_log_is_a_violation() -> None:
    faults = Faults(strangers=frozenset({"s"}))
    refused = replace(edit(20, 30, version=2), pod="s", status=503)
    assert rules(login(PHONE), refused, replace(read(40, 50), pod="s"), faults=faults) == []
    for status in (200, 401, 412):
        found = rules(login(PHONE), replace(refused, status=status), faults=faults)
        assert "a pod with another log answered a write" in found
    assert rules(login(PHONE), replace(refused, status=200)) == []


def test_status_500_is_a_violation() -> None:
    assert rules(login(PHONE), read(20, 30, status=500)) == ["the answer was 500"]
    assert rules(login(PHONE), read(20, 30, status=503)) == []
