"""Pages that were asked for before are given again as they are, until something that they show or rest on changes."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from app.companies.schemas import CompanyPatch
from app.jobs.schemas import Place
from tests.integration.coherence.workers import eventually
from tests.integration.jobs.test_keys import ME
from tests.integration.jobs.workers import Worker, stock

QUERY = "q=nurse&total=true"
ASKED = {"q": ["nurse"], "total": ["true"]}

CHANGES: dict[str, Callable[[Worker, int], object]] = {
    "opened": lambda worker, _: worker.offer(seniority="lead"),
    "edited": lambda worker, job: worker.patch(job, title="Nurse at night"),
    "closed": lambda worker, job: worker.patch(job, state="closed"),
    "taken down": lambda worker, job: worker.board.jobs.take_down(job, "spam", worker.user, ME),
    "renamed": lambda worker, _: worker.companies.change(
        worker.company, worker.user, CompanyPatch(name="Renamed"), None
    ),
    "verified": lambda worker, _: worker.companies.verify(worker.company, True, worker.user, ME),
}


def finished(worker: Worker, query: str = QUERY) -> None:
    """Ask as often as it takes for the page to be kept."""
    for _ in range(3):
        worker.search(query)


def test_page_asked_for_again_is_the_same_object(workers: list[Worker]) -> None:
    stock(workers[0])
    for worker in workers:
        finished(worker)
        assert worker.board.searches.search(ASKED, "") is worker.board.searches.search(ASKED, "")
        assert worker.board.searches.search(ASKED | {"fields": ["title"]}, "") is not worker.board.searches.search(
            ASKED, ""
        )


@pytest.mark.parametrize("change", CHANGES)
def test_finished_page_shows_a_change_at_once(workers: list[Worker], change: str) -> None:
    jobs = stock(workers[0])
    for worker in workers:
        finished(worker)
    before = workers[0].search(QUERY)
    CHANGES[change](workers[0], jobs[0])
    after = [worker.search(QUERY) for worker in workers]
    assert after[0]["items"] == after[1]["items"] != before["items"]
    assert [len(each["items"]) for each in after] == [after[0]["total"]["value"]] * 2


def test_finished_page_ends_with_the_first_posting_that_it_shows(workers: list[Worker]) -> None:
    until = datetime.now(UTC) + timedelta(seconds=2.5)
    ending = workers[0].offer(places=(Place("DE"),), valid_through=until)
    lasting = workers[0].offer(places=(Place("DE"),), seniority="lead")
    for worker in workers:
        finished(worker)
        assert worker.ids(QUERY) == [lasting, ending]
    eventually(lambda: datetime.now(UTC) >= until)
    assert [worker.ids(QUERY) for worker in workers] == [[lasting], [lasting]]


def test_similar_postings_cost_nothing_until_a_posting_changes(workers: list[Worker]) -> None:
    worker, other = workers
    jobs = stock(worker)

    def cost() -> int:
        before = worker.database.statements
        worker.board.searches.similar(jobs[0], lambda: None)
        return worker.database.statements - before

    assert cost() > 0
    assert cost() == cost() == 0
    other.patch(jobs[1], title="Nurse at night")
    assert b"Nurse at night" in worker.board.searches.similar(jobs[0], lambda: None)


def test_similar_postings_follow_a_change_while_they_are_made(
    workers: list[Worker], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The posting changes, and the worker learns of that, after it has read the posting and before the others."""
    worker, other = workers
    teacher = other.offer(places=(Place("DE"),))
    other.patch(teacher, title="Teacher of chemistry")
    jobs, job = stock(worker), worker.board.jobs.job

    def change_after(*args: Any) -> object:
        found = job(*args)
        monkeypatch.undo()
        other.patch(jobs[0], title="Teacher of physics")
        eventually(lambda: worker.coherence.leased() and worker.coherence.position() == other.coherence.position())
        return found

    monkeypatch.setattr(worker.board.jobs, "job", change_after)
    worker.board.searches.similar(jobs[0], lambda: None)
    for _ in range(2):
        assert b"Teacher of chemistry" in worker.board.searches.similar(jobs[0], lambda: None)


def test_suggestions_cost_nothing_for_some_seconds(workers: list[Worker]) -> None:
    worker, costs = workers[0], []
    for _ in range(3):
        before = worker.database.statements
        worker.board.suggestions.suggest("nur", ("title", "company"))
        costs.append(worker.database.statements - before)
    assert costs[0] > 0
    assert 0 in costs[1:], "one of them may begin another period"
