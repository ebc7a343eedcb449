"""When the load of `make chaos` counts as recovered, and what failed."""

from tests.chaos.log import Done, Log, recovery, share


def done(*outcomes: str, kind: str = "read", since: float = 100.0) -> list[Done]:
    """Operations that were due a second after each other."""
    return [Done(kind, since + number, since + number + 0.1, each) for number, each in enumerate(outcomes)]


def test_recovery_is_at_once_without_a_failure() -> None:
    assert recovery(done("", "", ""), 100.0, 3) == 0.0


def test_recovery_begins_after_the_last_failure_before_a_long_enough_row() -> None:
    assert recovery(done("503", "", "", "late", "", "", ""), 100.0, 3) == 4.0


def test_too_short_a_row_is_no_recovery() -> None:
    assert recovery(done("", "", "503", "", ""), 100.0, 3) is None
    assert recovery([], 100.0, 3) is None


def test_a_failure_after_recovery_does_not_count() -> None:
    assert recovery(done("503", "", "", "", "503"), 100.0, 3) == 1.0


def test_operations_count_in_the_order_in_which_they_were_due() -> None:
    assert recovery(list(reversed(done("503", "", "", ""))), 100.0, 3) == 1.0


def test_recovery_is_known_for_each_kind() -> None:
    log = Log({"read": 2, "edit": 2})
    for each in [*done("503", "", ""), *done("", "503", kind="edit")]:
        log.add(each)
    assert log.recovered(100.0) == {"read": 1.0, "edit": None}


def test_share_names_the_ways_most_frequent_first() -> None:
    found = share(done("", "503", "503", "late"))
    assert found.failed == 0.75
    assert str(found) == "75 % failed (503: 50 %, late: 25 %)"
    assert str(share(done(""))) == str(share([])) == "all answered"
