"""The prepared and the plain text of a statement."""

import re

import pytest

from app.infra.postgres.statements import Statement

FIND = Statement("find", ("bigint", "text"), "SELECT 1\n  WHERE 1 = $1 AND 'x' LIKE $2 || '%'", readonly=True)


def test_is_prepared_on_one_line_under_a_name_with_a_hash() -> None:
    assert re.fullmatch(r"find_[0-9a-f]{8}", FIND.server_name)
    assert FIND.prepare == (
        f"PREPARE {FIND.server_name} (bigint, text) AS SELECT 1 WHERE 1 = $1 AND 'x' LIKE $2 || '%'"
    )


def test_is_executed_with_one_placeholder_for_each_parameter() -> None:
    assert FIND.execute == f"EXECUTE {FIND.server_name}(%s, %s)"


def test_plain_text_casts_its_parameters_and_doubles_percent_signs() -> None:
    assert FIND.plain == "SELECT 1\n  WHERE 1 = CAST(%(p1)s AS bigint) AND 'x' LIKE CAST(%(p2)s AS text) || '%%'"
    assert FIND.named((7, "y")) == {"p1": 7, "p2": "y"}


def test_without_parameters_nothing_is_doubled() -> None:
    plain = Statement("all", (), "SELECT '%'")
    assert (plain.plain, plain.named(()), plain.execute) == ("SELECT '%'", None, f"EXECUTE {plain.server_name}")


@pytest.mark.parametrize("other", [("find", ("int", "text")), ("found", ("bigint", "text"))])
def test_different_content_has_a_different_server_name(other: tuple[str, tuple[str, ...]]) -> None:
    assert Statement(*other, FIND.sql).server_name != FIND.server_name


@pytest.mark.parametrize(
    ("types", "sql"), [(("int",), "SELECT 1"), ((), "SELECT $1"), (("int",), "SELECT $2"), ((), "SELECT 1 -- one")]
)
def test_statement_that_cannot_be_prepared_is_refused(types: tuple[str, ...], sql: str) -> None:
    with pytest.raises(ValueError, match="bad:"):
        Statement("bad", types, sql)
