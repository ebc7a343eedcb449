"""The load of `make chaos` notices answers that break a promise."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

import pytest

from tests.chaos.bed import Bed
from tests.chaos.load import Client, Operations
from tests.chaos.log import NO_ANSWER
from tests.chaos.watchers import Followers, Promises
from tests.pods.connections import Answer

BED = SimpleNamespace(people=SimpleNamespace(readers=[1], followed=[], alerted=[2]))
Answers = Callable[[str, str], Answer | None]


def answer(status: int, body: Any = None) -> Answer:
    return Answer(0, 1, status, body)


class Service:
    """Answers as it should, but where `answers` says otherwise; the posting 7 is found while it is open."""

    def __init__(self, answers: Answers = lambda method, path: None) -> None:
        self.pods, self._answers = ["a", "b"], answers
        self._ended, self._open = False, True

    def send(self, method: str, path: str, token: str = "", body: Any = None, pod: str = "") -> Answer:
        right = self._right(method, path)
        return self._answers(method, path) or right

    def _right(self, method: str, path: str) -> Answer:
        name = f"{method} {path.partition('?')[0]}"
        if name == "POST auth/login":
            self._ended = False
        elif name == "POST auth/logout":
            self._ended = True
        elif name == "PATCH jobs/7":
            self._open = False
        right = {
            "POST auth/login": answer(200, {"access_token": "t"}),
            "POST auth/logout": answer(204),
            "GET users/me": answer(401 if self._ended else 200),
            "GET jobs": answer(200, {"items": [{"id": 7}] if self._open else []}),
            "GET jobs/7": answer(200 if self._open else 410),
            "PATCH jobs/7": answer(200),
        }
        return right.get(name, answer(201, {"id": 7}))


def operations(answers: Answers = lambda method, path: None) -> tuple[Operations, Promises]:
    bed = cast("Bed", BED)
    promises = Promises(bed)
    return Operations(bed, cast("Client", Service(answers)), promises, cast("Followers", None)), promises


def test_a_service_that_keeps_its_promises_breaks_none() -> None:
    done, promises = operations()
    assert (done.log_in_and_out(), done.try_ended(), done.post()) == ("", "", "")
    assert promises.broken == []


def test_an_accepted_token_after_logout_is_a_broken_promise() -> None:
    done, promises = operations(lambda method, path: answer(200) if path == "users/me" else None)
    done.log_in_and_out()
    assert promises.broken == [f"pod {pod} accepted a token after the answer 204 to its logout" for pod in "ab"]
    done.try_ended()
    assert len(promises.broken) == 3


def test_an_unfinished_logout_promises_nothing_yet() -> None:
    done, promises = operations(lambda method, path: answer(503) if path == "auth/logout" else None)
    assert done.log_in_and_out() == "503"
    assert (promises.broken, promises.unfinished) == ([], ["t"])


@pytest.mark.parametrize(
    ("items", "what"),
    [([], "a search did not find posting 7"), ([{"id": 7}], "showed posting 7, which was closed before")],
)
def test_a_search_that_is_not_fresh_is_a_broken_promise(items: list[Any], what: str) -> None:
    done, promises = operations(lambda method, path: answer(200, {"items": items}) if "jobs?" in path else None)
    done.post()
    assert [what in each for each in promises.broken] == [True]


def test_no_answer_and_other_answers_are_told() -> None:
    done, _ = operations(lambda method, path: answer(0) if path == "users/me" and method == "PATCH" else None)
    assert done.edit() == NO_ANSWER
    assert operations(lambda method, path: answer(500) if "companies/" in path else None)[0].post() == "500"
