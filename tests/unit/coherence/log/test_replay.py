"""Positions that a replica is known to show, by the place that it has replayed."""

from app.coherence.log.history import History, State
from app.coherence.log.replay import MARKS_MOST, Marks
from app.infra.postgres.replica import Place

LINE = "7:00000001"


def at(lsn: int, line: str = LINE) -> Place:
    return Place(line, lsn)


def marked(begin: int = 10, lsn: int = 100) -> Marks:
    marks = Marks(begin)
    marks.anchor(begin, at(lsn))
    return marks


def test_nothing_is_known_before_an_anchor() -> None:
    marks = Marks(10)
    marks.follow(11, {11: at(110)}, 1)
    assert marks.wanting
    assert marks.position_at(at(1000)) is None


def test_replica_before_the_first_mark_shows_nothing() -> None:
    assert marked().position_at(at(99)) is None


def test_changes_with_places_advance_the_position() -> None:
    marks = marked()
    marks.follow(12, {11: at(120), 12: at(110)}, 2)
    assert marks.position_at(at(119)) == 10
    assert marks.position_at(at(120)) == 12


def test_later_number_with_an_earlier_place_counts_with_the_greatest_before() -> None:
    marks = marked()
    marks.follow(11, {11: at(120)}, 1)
    marks.follow(12, {12: at(110)}, 1)
    assert marks.position_at(at(115)) == 10
    assert marks.position_at(at(120)) == 12


def test_change_without_a_place_needs_an_anchor() -> None:
    marks = marked()
    marks.follow(12, {11: at(110)}, 2)
    marks.follow(13, {13: at(120)}, 1)
    assert marks.wanting
    assert marks.position_at(at(1000)) == 10
    marks.anchor(11, at(130))
    assert marks.position_at(at(1000)) == 10
    marks.anchor(12, at(140))
    assert [marks.position_at(at(lsn)) for lsn in (139, 140)] == [10, 13]


def test_place_of_another_line_shows_nothing() -> None:
    assert marked().position_at(at(1000, "7:00000002")) is None


def test_promotion_begins_anew() -> None:
    marks = marked()
    marks.follow(11, {11: at(90, "7:00000002")}, 1)
    assert marks.position_at(at(1000)) == 10
    marks.anchor(11, at(95, "7:00000002"))
    assert marks.position_at(at(1000)) is None
    assert marks.position_at(at(95, "7:00000002")) == 11


def test_promotion_without_changes_is_noticed_by_an_anchor() -> None:
    marks = marked()
    marks.anchor(10, at(95, "7:00000002"))
    assert marks.position_at(at(95, "7:00000002")) == 10


def test_anchor_that_others_have_overtaken_keeps_later_marks() -> None:
    marks = Marks(10)
    marks.follow(11, {11: at(110)}, 1)
    marks.follow(12, {12: at(150)}, 1)
    marks.anchor(11, at(120))
    assert [marks.position_at(at(lsn)) for lsn in (119, 120, 150)] == [None, 11, 12]


def test_number_of_marks_is_bounded() -> None:
    marks = marked()
    for number in range(11, 11 + 3 * MARKS_MOST):
        marks.follow(number, {number: at(100 + number)}, 1)
    assert len(marks._known[1]) <= MARKS_MOST
    assert marks.position_at(at(10**9)) == 10 + 3 * MARKS_MOST


def test_state_knows_no_position_beyond_its_own() -> None:
    history = History(10)
    state = State(history, 10, 0)
    history.marks.anchor(10, at(100))
    history.record({11: "user:1"})
    history.marks.follow(11, {11: at(110)}, 1)
    assert state.replayed(at(200)) == 10
    assert state.replayed(at(99)) is None
