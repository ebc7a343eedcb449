"""Imports of lines: what becomes of each, and that repetitions and bad lines do no harm."""

import random
from collections import Counter
from datetime import timedelta

import msgspec
import psycopg2
import pytest

from app.errors import NotFound
from app.imports.lines import lines_of
from app.imports.runs import MassClose, RunOver, RunUnderWay
from app.imports.schemas import LineReport
from app.jobs import store
from app.jobs.bulk.store import LIST_MEMBERS, NOTE_CATALOGUE
from app.jobs.schemas import JobPatch, NewJob
from tests.integration.imports.office import Office, line
from tests.integration.jobs.catalogue import NOW

ROWS = """
SELECT p.id, p.version, p.state, p.shown, p.siblings, p.strayed, p.terms, p.title_tsv::text, p.body_tsv::text, p.salary,
       p.lats FROM posting p ORDER BY id
"""
COUNTED = """
SELECT COALESCE(sum(n_tup_ins + n_tup_upd + n_tup_del), 0)::bigint FROM pg_stat_user_tables
"""


IMPORTED = """
WITH line AS (
    SELECT nextval(pg_get_serial_sequence('posting', 'id')) AS id, name, hash
      FROM unnest(%s::text[], %s::bytea[]) AS said (name, hash)
), made AS (
    INSERT INTO posting (id, company_id, state, published_at, valid_through) OVERRIDING SYSTEM VALUE
    SELECT id, %s, 'open', now(), now() + interval '60 days' FROM line
)
INSERT INTO posting_origin (company_id, source, external_id, posting_id, hash, dated)
SELECT %s, 'ats', name, id, hash, false FROM line
"""


def were_there(office: Office, raws: list[bytes]) -> None:
    """Open postings that the same lines have made before."""
    lines = list(lines_of(raws))
    named = [each.external_id for each in lines], [each.hash for each in lines]
    office.database.run(IMPORTED, *named, office.company, office.company)
    office.database.run("ANALYZE posting, posting_origin")  # as autovacuum does some time after so many rows


def statuses(reports: list[LineReport]) -> list[str]:
    return [each.status for each in reports]


def writes(office: Office) -> int:
    """Rows that were inserted, changed or deleted in the database so far."""
    connection = psycopg2.connect(office.database._connector._dsn)
    try:
        with connection, connection.cursor() as cursor:
            office.database.run("SELECT pg_stat_force_next_flush()")
            office.database.one("SELECT 1")
            cursor.execute(COUNTED)
            [(counted,)] = cursor.fetchall()
            return int(counted)
    finally:
        connection.close()


def test_lines_are_created_changed_and_unchanged(office: Office) -> None:
    assert statuses(office.send(line(1), line(2))) == ["created", "created"]
    assert statuses(office.send(line(1), line(2, title="Cook"), line(3))) == ["unchanged", "changed", "created"]
    found, _ = office.board.jobs.job(office.send(line(2, title="Cook"))[0].id, lambda: None)
    assert (found.posting.title, found.posting.version) == ("Cook", 2)
    assert (found.posting.detail.source, found.posting.detail.external_id) == ("ats", "j-2")
    assert office.heard[-1] == {"catalogue", "catalogue:DE", f"company:{office.company}"}
    assert len(office.heard) == 2


def test_a_repeated_import_writes_nothing(office: Office) -> None:
    raws = [line(number) for number in range(300)]
    office.send(*raws)
    before = writes(office)
    assert set(statuses(office.send(*raws))) == {"unchanged"}
    assert writes(office) == before


def test_the_same_content_in_another_form_writes_nothing(office: Office) -> None:
    office.send(line(1))
    before = writes(office)
    spaced = b" " + line(1).replace(b":", b" : ", 3)
    assert statuses(office.send(spaced)) == ["unchanged"]
    assert writes(office) == before


def test_bad_lines_are_reported_one_by_one_and_harm_nobody(office: Office) -> None:
    """Of 10,000 lines 1,000 are bad; most others were imported before."""
    chance = random.Random(5)
    bad = set(chance.sample(range(10_000), 1_000))
    worse = (b"{", b"[]", b'{"external_id":"x","title":""}', line(7, employment_type=["none"]), b"\xff", b"null")
    good = [number for number in range(10_000) if number not in bad]
    were_there(office, [line(number) for number in good[:-100]])
    before = office.database.all(ROWS)
    raws = [worse[number % len(worse)] if number in bad else line(number) for number in range(10_000)]
    reports = office.send(*raws)
    assert [each.line for each in reports] == list(range(1, 10_001))
    refused = {each.line - 1 for each in reports if each.status == "refused"}
    assert refused - bad <= {7}, "line 7 may come behind one that has its name"
    assert bad <= refused
    assert all(each.errors for each in reports if each.status == "refused")
    assert Counter(statuses(reports)) == {
        "refused": len(refused),
        "unchanged": 10_000 - len(refused) - 100,
        "created": 100,
    }
    assert office.database.all(ROWS)[: len(before)] == before
    assert set(office.states().values()) == {"open"}


def test_a_line_says_which_fields_are_wrong(office: Office) -> None:
    [report] = office.send(line(1, workplac="remote", salary={"currency": "EUR", "unit": "year"}))
    assert {(each.field, each.code) for each in report.errors} == {("workplac", "unknown")}
    [report] = office.send(line(1, salary={"currency": "EUR", "unit": "year"}))
    assert [(each.field, each.code) for each in report.errors] == [("salary", "incomplete")]


def test_an_import_gives_what_single_changes_give(office: Office) -> None:
    """Near-duplicates included: the same columns as when each posting is created by itself."""
    until = (NOW + timedelta(days=40)).isoformat()
    later = (NOW + timedelta(days=50)).isoformat()
    same = {"title": "Nurse", "description": "<p>You care.</p>", "skills": ["Python"]}
    raws = [
        line(1, **same, valid_through=until),
        line(2, **same, valid_through=later, places=[{"country": "FR", "city": "Paris"}]),
        line(3, valid_through=until, salary={"currency": "EUR", "unit": "year", "max": 50_000}),
    ]
    office.send(*raws)
    office.send(line(1, **same | {"title": "Cook"}, valid_through=until))
    imported = office.database.all(ROWS)
    office.database.run("TRUNCATE posting RESTART IDENTITY CASCADE")
    office.database.run("TRUNCATE posting_cluster CASCADE")
    numbers = []
    for raw in raws:
        said = msgspec.json.decode(raw)
        said.pop("external_id")
        fact, _ = office.board.jobs.create(office.company, office.user, msgspec.convert(said, NewJob))
        numbers.append(fact.posting.id)
    office.board.jobs.change(numbers[0], office.user, JobPatch(title="Cook"), None)

    def comparable(rows: list[tuple[object, ...]]) -> list[tuple[object, ...]]:
        return [row[2:] for row in rows]

    assert comparable(imported) == comparable(office.database.all(ROWS))


def test_posting_that_ended_is_opened_by_its_line_again(office: Office) -> None:
    [made] = office.send(line(1))
    office.board.jobs.change(made.id, office.user, JobPatch(state="closed"), None)
    assert statuses(office.send(line(1))) == ["changed"]
    assert office.states() == {"j-1": "open"}


def test_posting_without_an_end_is_extended_while_it_is_imported(office: Office) -> None:
    [made] = office.send(line(1))
    office.database.run("UPDATE posting SET valid_through = now() + interval '29 days'")
    assert statuses(office.send(line(1), line(1))) == ["changed", "refused"]
    fact, _ = office.board.jobs.job(made.id, lambda: None)
    assert fact.posting.valid_through > NOW + timedelta(days=59)


def test_posting_that_was_taken_down_stays_closed(office: Office) -> None:
    office.send(line(1))
    office.database.run("UPDATE posting SET state = 'closed', shown = false, taken_down_at = now()")
    [report] = office.send(line(1, title="Cook"))
    assert [each.code for each in report.errors] == ["taken_down"]


def test_closed_company_imports_nothing(office: Office) -> None:
    office.database.run("UPDATE companies SET closed_at = now()")
    with pytest.raises(NotFound):
        office.send(line(1))


def run_of(office: Office, *raws: bytes) -> int:
    run = office.imports.runs.start(office.company, "ats")
    office.imports.runs.add(office.company, "ats", run.id, list(lines_of(raws)))
    return run.id


def commit(office: Office, run: int, force: bool = False) -> int:
    return office.imports.runs.commit(office.company, "ats", run, force=force).closed


def test_commit_closes_what_the_run_did_not_name(office: Office) -> None:
    office.send(*(line(number) for number in range(10)))
    office.imports.importer.write(office.company, "other", list(lines_of([line(77)])))
    run = run_of(office, *(line(number) for number in range(8)), line(11))
    assert set(office.states().values()) == {"open"}
    assert commit(office, run) == 2
    assert {name for name, state in office.states().items() if state == "closed"} == {"j-8", "j-9"}
    assert commit(office, run) == 2
    with pytest.raises(RunOver):
        office.imports.runs.add(office.company, "ats", run, list(lines_of([line(1)])))


def test_unfinished_and_truncated_runs_close_nothing(office: Office) -> None:
    office.send(*(line(number) for number in range(10)))
    run = run_of(office, line(0))
    with pytest.raises(MassClose):
        commit(office, run)
    assert set(office.states().values()) == {"open"}
    office.imports.runs.end(office.company, "ats", run)
    with pytest.raises(RunOver):
        commit(office, run)
    assert set(office.states().values()) == {"open"}
    assert commit(office, run_of(office, line(0)), force=True) == 9


def test_refused_line_keeps_its_posting_open(office: Office) -> None:
    office.send(*(line(number) for number in range(10)))
    assert commit(office, run_of(office, *(line(number) for number in range(9)), line(9, title=""))) == 0


def test_line_that_names_no_posting_keeps_all_open(office: Office) -> None:
    office.send(*(line(number) for number in range(10)))
    run = run_of(office, *(line(number) for number in range(9)), b'{"external_id": "j-9", "ti')
    assert commit(office, run) == 0
    assert commit(office, run_of(office, *(line(number) for number in range(9)))) == 1


def test_second_run_of_a_source_is_refused_with_the_state_of_the_first(office: Office) -> None:
    run = run_of(office, line(1), line(2))
    with pytest.raises(RunUnderWay) as refused:
        office.imports.runs.start(office.company, "ats")
    assert f"run {run} has been open" in refused.value.detail
    assert "has 2 lines" in refused.value.detail
    office.database.run("UPDATE feed_run SET active_at = now() - interval '1 hour'")
    assert office.imports.store.standing()["abandoned"] == 1
    assert office.imports.runs.start(office.company, "ats").id > run
    assert office.imports.store.standing()["running"] == 1


def test_commit_that_was_killed_is_repeated(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    office.send(*(line(number) for number in range(20)))
    run = run_of(office, *(line(number) for number in range(15)))
    closing, real = [], store.keys

    def killed(transaction: object) -> object:
        closing.append(1)
        if len(closing) == 2:
            raise KeyboardInterrupt
        return real(transaction)  # type: ignore[arg-type]

    monkeypatch.setattr("app.jobs.bulk.service.keys", killed)
    with pytest.raises(KeyboardInterrupt):
        office.imports.runs.commit(office.company, "ats", run, chunk=2)
    assert Counter(office.states().values())["closed"] == 2
    assert commit(office, run) == 5


def test_two_imports_of_the_same_postings_at_once(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """The one that comes late finds that the other has written, and reads anew."""
    real = office.imports.importer._apply
    others: list[object] = []

    def apply(*of: object) -> None:
        if not others:
            others.append(office.send)
            office.send(line(1), line(2, title="Cook"))
        real(*of)  # type: ignore[arg-type]

    monkeypatch.setattr(office.imports.importer, "_apply", apply)
    assert statuses(office.send(line(1), line(2))) == ["unchanged", "changed"]
    assert office.database.one("SELECT count(*) FROM posting") == (2,)


@pytest.mark.parametrize("statement", [LIST_MEMBERS, NOTE_CATALOGUE])
def test_clusters_are_looked_up_in_a_table_that_has_just_grown(office: Office, statement: str) -> None:
    office.send(*map(line, range(50)))
    plan = "\n".join(row[0] for row in office.database.all(f"EXPLAIN {statement}", list(range(1, 1000))))
    assert "using posting_cluster_members" in plan
    assert "posting_expiry" not in plan
