"""GraphQL beside strawberry, and beside our REST API: the queries, which both must answer in the same way."""

import json
import urllib.parse
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Self

from app.local.process import LocalError
from loadtest.bed import ME, Bed, Service
from loadtest.peers.reads import PAGES, SEARCHES, Work, add_postings, open_pages
from loadtest.peers.results import Target
from loadtest.peers.sides import OURS, Side, issued
from loadtest.store import insert_sessions, make_peer_jobs
from loadtest.wrk import Load

STRAWBERRY, REST = "strawberry", "REST"
FASTER = (Target("rate", 3.0, STRAWBERRY),)
DEARER = Target("cost", 2.0, REST)
APPLICATIONS = 10
PROFILE = "{ me { id email name headline createdAt updatedAt version } }"
JOB_PAGE = """query Job($id: ID!) { job(id: $id) {
  id title description publishedAt workplace employmentType seniority skills
  company { id slug name verified description website }
} }"""
SEARCH = """query Search($q: String!) { search(q: $q, facets: [FACETS], first: 20) {
  total { value exact } facets { id values { value count } }
  nodes { id title publishedAt workplace seniority company { id name } }
} }"""
APPLIED = """{ applications(first: 10) { nodes { id stage createdAt job {
  title company { id name website } posting { id workplace skills company { name verified } }
} } } }"""
FACETS = ("employment_type", "workplace", "seniority")


@dataclass(frozen=True)
class Query(Work):
    """A query with each of its variables in turn; `theirs` are the paths for strawberry, where they are others."""

    theirs: Sequence[str] = ()

    def beside_rest(self) -> Self:
        """The same, for a side of the REST API."""
        return replace(self, name=f"{self.name}, GraphQL beside REST", targets=(DEARER,))

    def load(self, side: Side, seconds: float) -> Load:
        if side.name == REST:
            return replace(Work.load(self, side, seconds), paths=[ME])
        return replace(Work.load(self, side, seconds), paths=self.paths_of(side))

    def paths_of(self, side: Side) -> Sequence[str]:
        return self.theirs if side.name == STRAWBERRY and self.theirs else self.paths


@contextmanager
def opened(bed: Bed) -> Iterator[list[Side]]:
    """Our service with one worker, which keeps no answers in the server, and strawberry."""
    bed.write_tuning({"cache": {"answers_bytes": 0}})
    tokens = issued(bed, insert_sessions(bed.postgres.direct_url, 1))
    with bed.service() as ours, bed.peer("loadtest.peers.strawberry.service", path(PROFILE), tokens[0]) as theirs:
        yield [Side(OURS, ours, tokens), Side(STRAWBERRY, theirs, tokens)]
    bed.write_tuning({})


def queries(bed: Bed, sides: Sequence[Side]) -> list[Query]:
    """Adds postings and applications first; raises LocalError unless the sides' answers are the same."""
    ours = sides[0]
    drawn = [urllib.parse.parse_qs(each.partition("?")[2])["q"][0] for each in add_postings(bed, 2 * SEARCHES)]
    make_peer_jobs(bed.postgres.direct_url)
    ids = [each.rpartition("/")[2] for each in open_pages(ours)]
    _apply(ours.service, ids, ours.tokens[0])
    own, quoted = (SEARCH.replace("FACETS", ", ".join(form % name for name in FACETS)) for form in ("%s", '"%s"'))
    words = [each for each in drawn if all(_finds(side, each, own, quoted) for side in sides)][:SEARCHES]
    found = [
        Query("own profile", [path(PROFILE)], 1, FASTER),
        Query(f"job page with its company, {PAGES} pages", [path(JOB_PAGE, id=each) for each in ids], 0, FASTER),
        Query("search of 20 jobs with 3 facets", [path(own, q=each) for each in words], 0, FASTER,
              [path(quoted, q=each) for each in words]),
        Query(f"{APPLICATIONS} applications with postings and companies", [path(APPLIED)], 1, FASTER),
    ]  # fmt: skip
    for each in found:
        _check(each, sides)
    return found


def path(query: str, **variables: str) -> str:
    """The path of a GET."""
    given = {"query": " ".join(query.split())} | ({"variables": json.dumps(variables)} if variables else {})
    return f"/graphql?{urllib.parse.urlencode(given)}"


def _apply(ours: Service, ids: Sequence[str], token: str) -> None:
    """Apply for APPLICATIONS of the postings; those of companies that want it elsewhere are left out."""
    made = 0
    for each in ids:
        made += ours.ask("POST", f"/api/v1/jobs/{each}/applications", token, {}).status == 201
        if made == APPLICATIONS:
            return
    raise LocalError(f"{made} of {len(ids)} applications were accepted, {APPLICATIONS} are needed")


def _check(query: Query, sides: Sequence[Side]) -> None:
    """Searches find something on either side, but not in the same order."""
    for places in zip(*(query.paths_of(side) for side in sides), strict=True):
        tokens = [side.tokens[0] if query.tokens else "" for side in sides]
        answers = [_data(*each) for each in zip(sides, places, tokens, strict=True)]
        if "search" in answers[0]:
            same = all(each["search"]["nodes"] and len(each["search"]["facets"]) == len(FACETS) for each in answers)
        else:
            same = answers[0] == answers[1]
        if not same:
            raise LocalError(f"{query.name}: the answers differ: {[str(each)[-500:] for each in answers]}")


def _finds(side: Side, words: str, own: str, quoted: str) -> bool:
    """Whether a side finds anything: strawberry finds nothing for stop words."""
    return bool(_data(side, path(quoted if side.name == STRAWBERRY else own, q=words), "")["search"]["nodes"])


def _data(side: Side, place: str, token: str) -> dict[str, Any]:
    answer = side.service.ask("GET", place, token)
    if answer.status != 200 or answer.json().get("errors"):
        raise LocalError(f"{side.name} answered {place} with {answer.status}: {answer.body[:500]!r}")
    found: dict[str, Any] = json.loads(answer.body.replace(b"+00:00", b"Z"))["data"]
    return found
