"""Pairs of a write by one worker and a read of the same by another one, in many threads."""

import json
import random
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Self

from app.companies.schemas import CompanyPatch
from app.errors import NotFinal, Unavailable
from app.jobs.schemas import JobPatch, NewJob, Place
from app.users.schemas import Profile
from tests.integration.replicas.servers import Worker, new_company, new_user

THREADS = 32
REST_S = 0.05
"""How long a thread rests after a refusal."""


@dataclass
class Tally:
    """What has happened: complete pairs, pairs whose write or read was refused, and reads that were too old."""

    pairs: int = 0
    refused: int = 0
    stale: list[str] = field(default_factory=list)


class Pairs:
    """Threads that write and read until `number` pairs are complete; each has a user, a company and a posting."""

    def __init__(self, url: str, workers: list[Worker], number: int) -> None:
        self._workers, self._number = workers, number
        self.tally = Tally()
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self.errors: list[BaseException] = []
        self._threads = [threading.Thread(target=self._run, args=(each, new_user(url), url)) for each in range(THREADS)]

    def __enter__(self) -> Self:
        for each in self._threads:
            each.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for each in self._threads:
            each.join()

    def complete(self) -> bool:
        """Whether all pairs are complete, or nothing more is to be learned."""
        return self.tally.pairs >= self._number or bool(self.tally.stale or self.errors)

    def share(self) -> float:
        """How much of the work is done, from 0 to 1."""
        return self.tally.pairs / self._number

    def _run(self, number: int, user: int, url: str) -> None:
        try:
            self._write_and_read(random.Random(number), user, new_company(url, user))
        except BaseException as error:
            self.errors.append(error)
            raise

    def _write_and_read(self, rng: random.Random, user: int, company: int) -> None:
        posting: list[int] = []
        kinds: list[Callable[[Worker, Worker, str], str]] = [
            *[lambda first, second, name: self._profile(first, second, user, name)] * 6,
            *[lambda first, second, name: self._batch(first, second, user, name)] * 2,
            lambda first, second, name: self._company(first, second, company, user, name),
            lambda first, second, name: self._posting(first, second, company, user, posting),
        ]
        turn = 0
        while not self._stop.is_set():
            turn += 1
            first, second = rng.sample(self._workers, 2)
            unpublished = first.total("changes_unpublished")
            try:
                found = rng.choice(kinds)(first, second, f"n{turn}")
            except (NotFinal, Unavailable):
                with self._lock:
                    self.tally.refused += 1
                self._stop.wait(REST_S)
                continue
            with self._lock:
                self.tally.pairs += 1
                if found and unpublished == first.total("changes_unpublished"):
                    self.tally.stale.append(found)

    def _profile(self, first: Worker, second: Worker, user: int, name: str) -> str:
        written = first.users.change(user, Profile(name=name), None).user.version
        read = second.users.profile(user).user.version
        return "" if read == written else f"version {read} of a profile after {written}"

    def _batch(self, first: Worker, second: Worker, user: int, name: str) -> str:
        written = first.users.change(user, Profile(headline=name), None).user.version
        read = second.users.profiles([user, 1])[user].user.version
        return "" if read == written else f"version {read} of a profile in a batch after {written}"

    def _company(self, first: Worker, second: Worker, company: int, user: int, name: str) -> str:
        first.companies.change(company, user, CompanyPatch(name=name), None)
        read = second.companies.company(company).brief.name
        return "" if read == name else f"company {read} after {name}"

    def _posting(self, first: Worker, second: Worker, company: int, user: int, posting: list[int]) -> str:
        """Open or close the posting, and search."""
        if not posting:
            made, _ = first.board.jobs.create(company, user, NewJob("Nurse", "<p>Care.</p>", places=(Place("DE"),)))
            posting.append(made.posting.id)
        else:
            state = second.board.jobs.job(posting[0], lambda: user)[0].posting.state
            first.board.jobs.change(posting[0], user, JobPatch(state="closed" if state == "open" else "open"), None)
        state = first.board.jobs.job(posting[0], lambda: user)[0].posting.state
        page = second.board.searches.search({"company": [str(company)]}, "")
        found = [int(item["id"]) for item in json.loads(page.body)["items"]]
        return "" if found == (posting if state == "open" else []) else f"found {found} of a posting that is {state}"
