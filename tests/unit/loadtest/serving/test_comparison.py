"""Ratios compare rates of one round, and the repairs may cost at most a tenth."""

from loadtest.serving.comparison import Sample, comparison, kept, ratio


def rounds(*rates: tuple[float, float]) -> list[dict[str, Sample]]:
    return [{"ours": Sample(ours, 50), "published": Sample(published, 60)} for ours, published in rates]


def test_a_machine_that_slows_down_between_rounds_does_not_change_the_ratio() -> None:
    assert ratio(rounds((10_000, 5_000), (1_000, 500), (100, 50)), "published") == 2


def test_one_odd_round_does_not_change_the_ratio() -> None:
    assert ratio(rounds((100, 100), (1, 100), (100, 100)), "published") == 1


def test_a_tenth_may_be_lost_and_not_more() -> None:
    good, bad = rounds((90, 100)), rounds((89, 100))
    assert kept({"hello": good, "json": good})
    assert not kept({"hello": good, "json": bad})


def test_table_has_a_row_per_handler_and_marks_ratios_below_the_limit() -> None:
    lines = comparison({"hello": rounds((20_000, 10_000)), "json": rounds((50, 100))}).splitlines()
    assert lines[2:] == [
        "| hello | 20,000/s (50 µs) | 10,000/s (60 µs) | 2.00 |",
        "| json | 50/s (50 µs) | 100/s (60 µs) | 0.50 (less than 0.9) |",
    ]
