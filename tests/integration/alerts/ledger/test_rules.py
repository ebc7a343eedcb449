"""The rules find each violation, and nothing in a good record."""

from collections.abc import Callable

import pytest

from tests.integration.alerts.ledger.rules import Alerting, Copy, Digest, Query, Record, State, violations

NURSE, BERLIN, TRUSTED = Query("nurse"), Query("nurse", "Berlin"), Query("pilot", verified=True)


def state(step: int, cities: str, words: str = "nurse", *, opening: bool = True, trusted: bool = True) -> State:
    return State(step, opening, frozenset(words.split()), frozenset(cities.split()), trusted)


def good() -> Record:
    """A posting that is opened and folded, one that was closed, one that is edited, one whose company becomes verified.

    And a search that was changed.
    """
    return Record(
        times={step: (step, step + 0.5) for step in range(1, 10)},
        clusters={
            1: [state(3, "Paris"), state(5, "Paris Berlin")],
            2: [state(4, "Paris"), state(6, "", opening=False)],
            3: [state(7, "Paris", "cook"), state(8, "Paris", opening=False)],
            4: [state(3, "Paris", "pilot", trusted=False), state(7, "Paris", "pilot", opening=False)],
        },
        searches={
            1: Alerting(7, [(1, NURSE)]),
            2: Alerting(7, [(1, NURSE), (4, BERLIN)]),
            3: Alerting(8, [(6, NURSE), (9, None)]),
            4: Alerting(8, [(1, TRUSTED)]),
        },
        sent=[(1, 1, 10), (2, 1, 10), (1, 3, 11), (1, 2, 11), (4, 4, 11)],
        digests={10: Digest(2, 5.2, 5.4), 11: Digest(3, 6.2, 8.4)},
        rounds=[[7, 8], [7]],
        mails={10: [Copy(b"a", lost=True), Copy(b"a", lost=False)], 11: [Copy(b"b", lost=False)]},
    )


BREAKS: dict[str, Callable[[Record], object]] = {
    "(1, 1) is in 2 digests": lambda it: it.sent.append((1, 1, 11)),
    "(2, 1) is missed": lambda it: it.sent.remove((2, 1, 10)),
    "(1, 3) is missed": lambda it: it.sent.remove((1, 3, 11)),
    "(4, 4) is missed": lambda it: it.sent.remove((4, 4, 11)),
    "(4, 4) was not found when digest 10 was made": lambda it: it.sent.append((4, 4, 10)),
    "(2, 3) was never found": lambda it: it.sent.append((2, 3, 11)),
    "(3, 1) was never found": lambda it: it.sent.append((3, 1, 11)),
    "(1, 2) was not found when digest 11 was made": lambda it: it.digests.update({11: Digest(3, 6.6, 8.4)}),
    "(2, 1) was not found when digest 10 was made": lambda it: it.digests.update({10: Digest(2, 4.6, 4.9)}),
    "digest 10 tells of 3, the ledger of 2": lambda it: it.digests.update({10: Digest(3, 5.2, 5.4)}),
    "digest 12 tells of 1, the ledger of 0": lambda it: it.digests.update({12: Digest(1, 5.2, 5.4)}),
    "digest 11 was not mailed": lambda it: it.mails.pop(11),
    "digest 10 was mailed in different words": lambda it: it.mails[10].append(Copy(b"c", lost=False)),
    "digest 11 was mailed 2 times without a lost answer": lambda it: it.mails[11].append(Copy(b"b", lost=False)),
    "mail 12 belongs to no digest": lambda it: it.mails.update({12: []}),
    "account 7 was served twice while [8] waited": lambda it: it.rounds.append([7, 7, 8]),
}


def test_good_record_breaks_nothing() -> None:
    record = good()
    assert violations(record) == []
    record.mails.pop(11)
    record.dropped.add(11)
    assert violations(record) == []


@pytest.mark.parametrize("found", BREAKS)
def test_each_broken_promise_is_found(found: str) -> None:
    record = good()
    BREAKS[found](record)
    assert found in violations(record)
