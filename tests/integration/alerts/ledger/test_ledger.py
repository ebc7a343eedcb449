"""Every match is alerted of exactly once while workers are killed, the mail server fails and everything changes.

ALERT_MATCHES is about how many matches are alerted of, ALERT_SEED repeats a run.
"""

import logging
import math
import os
import random
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.integration.alerts.ledger.board import IN_TITLE, WORDS, Board
from tests.integration.alerts.ledger.ground import Ground
from tests.integration.alerts.ledger.rules import violations

log = logging.getLogger(__name__)

MATCHES = int(os.environ.get("ALERT_MATCHES", "10000"))
SEED = int(os.environ.get("ALERT_SEED", "0")) or random.SystemRandom().randrange(1, 1 << 32)
ALERTED = 0.62
"""The share of matches that are not closed or changed before they are alerted of."""

POSTINGS = math.ceil(math.sqrt(MATCHES / ALERTED * WORDS / IN_TITLE))
SEARCHES, OF_ACCOUNT = POSTINGS, 3
VERIFIED = POSTINGS
"""After so many acts the company becomes verified; its postings are matched in parts while digests are made."""

CHANGES, FAULTS = POSTINGS // 2, max(12, POSTINGS // 25)


@pytest.fixture
def ground(open_folder: Path) -> Iterator[Ground]:
    folder = open_folder / "ledger"
    folder.mkdir(mode=0o711)
    with ExitStack() as started:
        yield Ground(folder, started, SEED)


@pytest.mark.timeout(120 + MATCHES // 200)
def test_every_match_is_alerted_of_exactly_once(ground: Ground) -> None:
    log.info("ALERT_SEED=%d ALERT_MATCHES=%d", SEED, MATCHES)
    board = Board(ground.database, SEED)
    for account in board.people(math.ceil(SEARCHES / OF_ACCOUNT)):
        for _ in range(OF_ACCOUNT):
            board.save(account)
    ground.begin()
    acts = [board.open] * POSTINGS + [board.change] * CHANGES
    board.chance.shuffle(acts)
    acts = [board.open, *acts]
    faults = [ground.harm] * (FAULTS - 2) + [ground.restart, lambda: ground.kill(0)]
    places = sorted(board.chance.sample(range(1, len(acts)), len(faults)), reverse=True)
    board.chance.shuffle(faults)
    for place, fault in zip(places, faults, strict=True):
        acts.insert(place, fault)
    acts[VERIFIED:VERIFIED] = [board.verify, ground.hurry]
    for act in acts:
        act()
    ground.settle()
    record = ground.record()
    history = board.history
    record.clusters, record.searches, record.times = history.clusters, history.searches, history.times
    repeated = sum(len(copies) - 1 for copies in record.mails.values())
    counts = len(record.sent), len(record.digests), repeated, len(ground.kills)
    log.info("%d alerts in %d digests, %d mails repeated, %d workers killed", *counts)
    assert violations(record) == [], f"ALERT_SEED={SEED}"
    assert len(record.sent) > MATCHES // 2
