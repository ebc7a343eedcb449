"""Answers that the server keeps: what it gives, when it gives no more, and that clients cannot tell the difference."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.api_client import Api, Person
from tests.integration.operating.kept import OWN, bearer, connect, is_kept, kept, lively, steady
from tests.integration.operating.release import CHEAP, Release, in_one_window, wait_for
from tests.integration.server.serving import Connection, Response

LIMIT = 100_000
LIMITS = {"requests_per_user": LIMIT}


@pytest.fixture(scope="module")
def api(release: Release) -> Iterator[Api]:
    """A service with one worker, so that each request meets the same kept answers."""
    release.tuning.write({**CHEAP, "limits": LIMITS})
    with release.pod(WORKERS="1") as pod:
        yield release.api(pod)


@pytest.fixture
def person(api: Api) -> Person:
    return api.person()


@pytest.fixture
def connection(api: Api) -> Iterator[Connection]:
    opened = connect(api)
    yield opened
    opened.close()


def test_repeated_request_is_answered_from_what_is_kept(api: Api, person: Person, connection: Connection) -> None:
    first = connection.get(OWN, bearer(person))
    again = kept(lambda: connection.get(OWN, bearer(person)))
    assert steady(again) == steady(first)
    assert again.header("x-request-id") != first.header("x-request-id")


@pytest.fixture
def bystander(api: Api) -> Iterator[None]:
    """Another user, whose requests keep the lease alive."""
    with lively(api):
        yield


@pytest.mark.usefixtures("bystander")
def test_change_is_seen_by_every_request_after_its_answer(api: Api, person: Person, connection: Connection) -> None:
    reader, public = api.person(), f"/api/v1/users/{person.id}"
    for number in range(20):
        for _ in range(3):
            connection.get(OWN, bearer(person))
            connection.get(public, bearer(reader))
        name = f"Name {number}"
        assert person.send("PATCH", "users/me", json={"name": name}).status_code == 200
        assert connection.get(OWN, bearer(person)).json()["name"] == name
        assert connection.get(public, bearer(reader)).json()["name"] == name


@pytest.mark.usefixtures("bystander")
def test_token_is_refused_as_soon_as_the_logout_is_answered(api: Api, person: Person, connection: Connection) -> None:
    for _ in range(10):
        session = person.elsewhere()
        for _ in range(5):
            assert connection.get(OWN, bearer(session)).status == 200
        assert session.send("POST", "auth/logout").status_code == 204
        assert connection.get(OWN, bearer(session)).status == 401


def test_page_for_everybody_still_needs_a_good_token(api: Api, person: Person, connection: Connection) -> None:
    public = f"/api/v1/users/{api.person().id}"
    kept(lambda: connection.get(public, bearer(person)))
    other = api.person()
    kept(lambda: connection.get(public, bearer(other)))
    assert connection.get(public).status == 401
    assert connection.get(public, f"Authorization: Bearer {person.token}x\r\n").status == 401


def test_unchanged_page_is_named_by_its_tag(api: Api, person: Person, connection: Connection) -> None:
    tag = connection.get(OWN, bearer(person)).header("etag")
    conditional = f"{bearer(person)}If-None-Match: {tag}\r\n"
    made = connection.get(OWN, conditional)
    assert steady(kept(lambda: connection.get(OWN, conditional))) == steady(made)
    assert [connection.get(OWN, conditional).status for _ in range(5)] == [304] * 5
    assert person.send("PATCH", "users/me", json={"name": "Grace"}).status_code == 200
    assert connection.get(OWN, conditional).status == 200


def test_request_id_and_trace_of_the_client_come_back(api: Api, person: Person, connection: Connection) -> None:
    trace = f"00-{'a' * 32}-{'b' * 16}-01"
    plain = [name for name, _ in connection.get(OWN, bearer(person)).headers]
    kept(lambda: connection.get(OWN, f"{bearer(person)}traceparent: {trace}\r\n"))
    answer = connection.get(OWN, f"{bearer(person)}X-Request-ID: mine.1\r\ntraceparent: {trace}\r\n")
    assert (answer.header("x-request-id"), answer.header("traceparent")) == ("mine.1", trace)
    assert [name for name, _ in connection.get(OWN, bearer(person)).headers] == plain


@contextmanager
def tuned(api: Api, release: Release, limit: int, **sections: object) -> Iterator[None]:
    """Other settings are in effect: `limit` requests for a user, by which they are recognised, and `sections`."""

    def take_effect(wanted: int, content: Mapping[str, object]) -> None:
        release.tuning.write({**CHEAP, "limits": {"requests_per_user": wanted}, **content})
        policy = f'"user";q={wanted};w=60'
        wait_for(lambda: api.person().get("users/me").headers["RateLimit-Policy"] == policy, "the settings")

    take_effect(limit, sections)
    try:
        yield
    finally:
        take_effect(LIMIT, {})


def answered(api: Api, limit: int, clients: Sequence[str], pages: Sequence[str]) -> list[int]:
    """How many requests of each client are answered, of `limit` to each page, each page by a connection of its own.

    `clients` are the headers that tell them apart. All ask at the same time, and the server gives some of the answers.
    """

    def ask(client: str, page: str) -> list[Response]:
        connection = connect(api)
        found = [connection.get(page, client) for _ in range(limit)]
        connection.close()
        left = [re.findall(r"r=(-?\d+)", each.header("ratelimit") or "r=0") for each in found]
        assert all(int(each[0]) >= 0 for each in left if each)
        return found

    def count() -> tuple[list[int], bool]:
        with ThreadPoolExecutor(len(clients) * len(pages)) as pool:
            running = [[pool.submit(ask, client, page) for page in pages] for client in clients]
            found = [[each for future in futures for each in future.result()] for futures in running]
        assert {each.status for of_client in found for each in of_client} <= {200, 429}
        by_server = [any(map(is_kept, of_client)) for of_client in found]
        return [[each.status for each in of_client].count(200) for of_client in found], all(by_server)

    numbers, given = in_one_window(count)
    assert given
    return numbers


def test_each_request_counts_against_the_limit_of_its_user(api: Api, release: Release) -> None:
    limit = 60
    with tuned(api, release, limit):
        people = [bearer(api.person()) for _ in range(2)]
        assert answered(api, limit, people, (OWN, f"/api/v1/users/{api.person().id}")) == [limit, limit]


def test_each_request_counts_against_the_limit_of_its_network(release: Release, tmp_path: Path) -> None:
    """A worker claims a twentieth of the limit, of which the server takes what is left."""
    limit, tuning = 60, tmp_path / "tuning.json"
    tuning.write_text(json.dumps({**CHEAP, "limits": {"open_requests_per_address": limit}}))
    networks = [f"X-Forwarded-For: 10.{number}.0.1\r\n" for number in range(2)]
    with release.pod(WORKERS="1", TUNING_FILE=str(tuning), TRUSTED_PROXIES="127.0.0.0/8") as pod:
        api, pages = release.api(pod), ("/openapi.json", "/.well-known/jwks.json")
        with lively(api):  # these pages rest on no facts, so that requests for them begin no lease
            assert answered(api, limit, networks, pages) == [limit, limit]


@pytest.mark.usefixtures("bystander")
def test_new_settings_end_what_is_kept(api: Api, release: Release, person: Person, connection: Connection) -> None:
    """The policy of the limit is a part of the answer."""
    kept(lambda: connection.get(OWN, bearer(person)))
    with tuned(api, release, LIMIT - 2):
        policy = connection.get(OWN, bearer(person)).header("ratelimit-policy")
        assert policy == f'"user";q={LIMIT - 2};w=60'


def test_bound_of_0_keeps_nothing_and_takes_effect_live(
    api: Api, release: Release, person: Person, connection: Connection
) -> None:
    kept(lambda: connection.get(OWN, bearer(person)))
    with tuned(api, release, LIMIT - 1, cache={"answers_bytes": 0}):
        assert not any(is_kept(connection.get(OWN, bearer(person))) for _ in range(50))
    kept(lambda: connection.get(OWN, bearer(person)))


FORMS = {
    "no host": "GET {0} HTTP/1.1\r\n{1}\r\n",
    "two hosts": "GET {0} HTTP/1.1\r\nHost: a\r\nHost: a\r\n{1}\r\n",
    "a host with a blank": "GET {0} HTTP/1.1\r\nHost: a b\r\n{1}\r\n",
    "two tokens": "GET {0} HTTP/1.1\r\nHost: a\r\n{1}{1}\r\n",
    "a line feed alone": "GET {0} HTTP/1.1\r\nHost: a\n{1}\r\n",
    "a folded line": "GET {0} HTTP/1.1\r\nHost: a\r\nUser-Agent: b\r\n c\r\n{1}\r\n",
    "a carriage return in a name": "GET {0} HTTP/1.1\r\nHost: a\r\nuser\ragent: b\r\n{1}\r\n",
    "a NUL in a value": "GET {0} HTTP/1.1\r\nHost: a\r\nUser-Agent: \0\r\n{1}\r\n",
    "a byte above 127": "GET {0} HTTP/1.1\r\nHost: a\r\nUser-Agent: \xe4\r\n{1}\r\n",
    "a blank before the colon": "GET {0} HTTP/1.1\r\nHost : a\r\n{1}\r\n",
    "blanks around a value": "GET {0} HTTP/1.1\r\nHost:  a \r\n{1}\r\n",
    "a line without a colon": "GET {0} HTTP/1.1\r\nHost: a\r\nb\r\n{1}\r\n",
    "HTTP/1.0": "GET {0} HTTP/1.0\r\nHost: a\r\n{1}\r\n",
    "HTTP/2.0": "GET {0} HTTP/2.0\r\nHost: a\r\n{1}\r\n",
    "the end of the connection": "GET {0} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{1}\r\n",
    "a body": "GET {0} HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n{1}\r\nb",
    "a body in chunks": "GET {0} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n{1}\r\n0\r\n\r\n",
    "a header of no interest": "GET {0} HTTP/1.1\r\nHost: a\r\nCookie: a=b\r\n{1}\r\n",
    "a bad request id": "GET {0} HTTP/1.1\r\nHost: a\r\nX-Request-ID: a b\r\n{1}\r\n",
    "a bad trace": "GET {0} HTTP/1.1\r\nHost: a\r\ntraceparent: a\r\n{1}\r\n",
    "If-Match": 'GET {0} HTTP/1.1\r\nHost: a\r\nIf-Match: "x"\r\n{1}\r\n',
    "HEAD": "HEAD {0} HTTP/1.1\r\nHost: a\r\n{1}\r\n",
    "a method in small letters": "get {0} HTTP/1.1\r\nHost: a\r\n{1}\r\n",
    "a whole URL": "GET http://a{0} HTTP/1.1\r\nHost: a\r\n{1}\r\n",
    "an empty query": "GET {0}? HTTP/1.1\r\nHost: a\r\n{1}\r\n",
    "a fragment": "GET {0}#a HTTP/1.1\r\nHost: a\r\n{1}\r\n",
    "two slashes": "GET /{0} HTTP/1.1\r\nHost: a\r\n{1}\r\n",
    "two blanks": "GET {0}  HTTP/1.1\r\nHost: a\r\n{1}\r\n",
    "a long header": "GET {0} HTTP/1.1\r\nHost: a\r\nUser-Agent: {2}\r\n{1}\r\n",
    "an empty line first": "\r\nGET {0} HTTP/1.1\r\nHost: a\r\n{1}\r\n",
}


def test_every_form_of_a_request_is_answered_as_without_kept_answers(
    api: Api, release: Release, person: Person, tmp_path: Path
) -> None:
    """Each form comes behind requests that are answered from what is kept, and before another one."""
    warm = connect(api)
    kept(lambda: warm.get(OWN, bearer(person)))
    tuning = tmp_path / "tuning.json"
    tuning.write_text(json.dumps({**CHEAP, "limits": LIMITS, "cache": {"answers_bytes": 0}}))
    with release.pod(WORKERS="1", TUNING_FILE=str(tuning)) as plain:
        without = release.api(plain)
        differing = [form for form in FORMS if _conversation(api, person, form) != _conversation(without, person, form)]
    assert differing == []


def _conversation(api: Api, person: Person, form: str) -> list[Any]:
    connection = connect(api)
    for _ in range(3):
        connection.get(OWN, bearer(person))
    connection.send(FORMS[form].format(OWN, bearer(person), "a" * 9000).encode("latin-1"))
    said: list[Any] = []
    try:
        first = connection.response("HEAD" if form == "HEAD" else "GET")
        said.append((steady(first)[:2], re.sub(rb'"request_id":"[^"]*"', b"", first.body)))
        said.append(steady(connection.get(OWN, bearer(person))))
    except OSError as error:
        said.append(type(error).__name__)
    connection.close()
    return said
