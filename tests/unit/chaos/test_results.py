"""Verdicts of `make chaos`, and its page."""

from dataclasses import replace
from pathlib import Path

import pytest

from tests.chaos.faults import FAULTS, LEFT_OUT
from tests.chaos.page import KEPT, PAGE, body, generated
from tests.chaos.results import Results, Row, load, save
from tests.chaos.watchers import repeated

ROW = Row(
    part="SMTP", what="kill", bound_s=5, lasted_s=5.0,
    recovered_s={"read": 0.0, "alert mail": 2.5}, failed={"read": 0.0, "alert mail": 1.0},
    ways={"alert mail": "100 % failed (no answer: 100 %)"}, during="4 % failed (no answer: 4 %)", mailed_s=11.0,
    mail_bound_s=45.0, whole=True, broken=[],
)  # fmt: skip
RESULTS = Results(
    machine="2 cores", load_after=1.0, seconds=60.0, calm="all answered", operations=1234, rows=[ROW], skipped=[],
    at_the_end=[], most_connections=20, budget=37, errors=[],
)  # fmt: skip


def test_a_row_is_kept_if_all_kinds_recover_within_the_bound() -> None:
    assert ROW.recovery_s == 2.5
    assert ROW.kept
    assert RESULTS.kept


@pytest.mark.parametrize(
    ("row", "complaint"),
    [
        (replace(ROW, recovered_s={"read": 5.1, "alert mail": 0.0}), "read after 5.1 s"),
        (replace(ROW, recovered_s={"read": None, "alert mail": 0.0}), "read after -"),
        (replace(ROW, mailed_s=None), "not everything was mailed within 45 s"),
        (replace(ROW, whole=False), "not everything is healthy again"),
        (replace(ROW, broken=["a token was accepted"]), "a token was accepted"),
    ],
)
def test_a_row_says_why_it_is_not_kept(row: Row, complaint: str) -> None:
    assert not row.kept
    assert row.complaints() == [complaint]
    results = replace(RESULTS, rows=[row])
    assert not results.kept
    assert complaint in results.verdict()
    assert f"**no**: {complaint}" in body(results)


def test_promises_that_the_end_shows_as_broken_fail_the_campaign() -> None:
    assert not replace(RESULTS, at_the_end=["1 alert was not mailed"]).kept
    assert not replace(RESULTS, errors=["read: KeyError"]).kept


def test_results_are_read_as_they_were_saved(tmp_path: Path) -> None:
    save(RESULTS, tmp_path / "faults.json")
    assert load(tmp_path / "faults.json") == RESULTS


def test_page_is_up_to_date() -> None:
    assert generated(PAGE.read_text(), load(KEPT)) == PAGE.read_text(), "run `make docs`"


def test_every_part_has_a_row_or_a_reason_for_each_fault() -> None:
    left_out = {what for what, _ in LEFT_OUT}
    for part in {fault.part for fault in FAULTS}:
        for what in ("kill", "pause", "slow", "partition", "disk full"):
            rows = [fault for fault in FAULTS if (fault.part, fault.what) == (part, what)]
            short = "memcached" if "memcached" in part else part
            named = [each for each in left_out if each.endswith(what) and short in each]
            assert len(rows) + bool(named) == 1, (part, what)


def test_an_alert_in_two_mails_is_found() -> None:
    taken = [(1.0, "<a>", "u", "Cook zq1x"), (2.0, "<a>", "u", "Cook zq1x"), (3.0, "<b>", "u", "zq1x, zq2x")]
    assert repeated(taken, ["zq1x", "zq2x"]) == ["the alert of zq1x was sent in 2 mails"]
