"""The production limits on logins, registrations and requests; other accounts and addresses are not affected."""

import itertools
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from ipaddress import ip_address
from typing import Any

import msgspec
import pytest
import requests

from app.config import Limits
from app.local.memcached import Memcached
from tests.api_client import PASSWORD, Api, Person
from tests.integration.operating.release import CHEAP, KINDS, WINDOW_S, Release, in_one_window, wait_for

MAIL = {
    "MAIL_URL": "smtp://127.0.0.1:1",
    "MAIL_FROM": "no-reply@jobs.example",
    "ACCOUNT_PAGES_URL": "https://jobs.example/account",
}
"""Nobody sends the mail, as no worker runs."""
_addresses = itertools.count(int(ip_address("10.0.0.1")))


@pytest.fixture(scope="module", params=KINDS)
def api(request: pytest.FixtureRequest, release: Release) -> Iterator[Api]:
    """A service with the production limits that trusts this test as its proxy; only password hashes are cheap."""
    release.tuning.write({**CHEAP, "limits": msgspec.to_builtins(Limits())})
    with release.pod(request.param, TRUSTED_PROXIES="127.0.0.0/8", **MAIL) as pod:
        yield release.api(pod)


class Somewhere:
    """A client with a new address; its requests use the connection of `api`."""

    def __init__(self, api: Api, address: str = "") -> None:
        self._api = api
        self.address = address or str(ip_address(next(_addresses)))

    def post(self, path: str, body: dict[str, Any], forged: str = "") -> requests.Response:
        """`forged` is the X-Forwarded-For that the client sent, to which the proxy adds the address."""
        forwarded = f"{forged}, {self.address}" if forged else self.address
        return self._api.send("POST", path, json=body, headers={"X-Forwarded-For": forwarded})

    def register(self, forged: str = "") -> requests.Response:
        body = {"email": Api.new_email(), "password": PASSWORD, "name": "Ada"}
        return self.post("auth/register", body, forged)

    def log_in(self, email: str, password: str = PASSWORD) -> requests.Response:
        return self.post("auth/login", {"email": email, "password": password})

    def recover(self, email: str, forged: str = "") -> requests.Response:
        return self.post("auth/recover", {"email": email}, forged)

    def person(self) -> Person:
        """A new account, logged in."""
        user = self.register().json()
        person = Person(self._api, user["id"], user["email"])
        tokens = self.log_in(person.email).json()
        person.token, person.refresh_token = tokens["access_token"], tokens["refresh_token"]
        return person


def guess(api: Api, email: str, times: int) -> list[int]:
    """Log in with a wrong password, each time from a new address on a new connection to any worker."""
    return [Somewhere(api.fresh()).log_in(email, "not the password").status_code for _ in range(times)]


def assert_refused(answer: requests.Response, policy: str, limit: int) -> None:
    assert (answer.status_code, answer.json()["code"]) == (429, "rate_limited")
    assert answer.headers["Content-Type"] == "application/problem+json"
    resets_in = int(answer.headers["Retry-After"])
    assert 1 <= resets_in <= WINDOW_S
    assert answer.headers["RateLimit-Policy"] == f'"{policy}";q={limit};w={WINDOW_S}'
    assert answer.headers["RateLimit"] == f'"{policy}";r=0;t={resets_in}'


def test_spellings_of_an_address_share_its_guesses(api: Api) -> None:
    def count() -> tuple[list[int], list[int]]:
        email = f"k.{Somewhere(api).register().json()['email']}"
        statuses = guess(api, email, 10)
        spellings = [f" {email}", email.upper(), email.replace("k.", "\u212a."), f"{email}\n"]
        return statuses, [Somewhere(api.fresh()).log_in(each).status_code for each in spellings]

    assert in_one_window(count) == ([401] * 10, [429] * 4)


@pytest.mark.parametrize("known", [True, False])
def test_account_allows_ten_wrong_logins_a_minute_from_all_addresses(api: Api, known: bool) -> None:
    def count() -> tuple[list[int], requests.Response]:
        email = Somewhere(api).register().json()["email"] if known else Api.new_email()
        return guess(api, email, 10), Somewhere(api.fresh()).log_in(email)

    statuses, refused = in_one_window(count)
    assert statuses == [401] * 10
    assert_refused(refused, "login_failures", 10)


def test_guessing_does_not_affect_the_owners_session(api: Api) -> None:
    def count() -> tuple[set[int], list[int]]:
        """The owner's worker has one guess left, so one 401 may follow the first 429."""
        owner, elsewhere = Somewhere(api).person(), Somewhere(api).person()
        guesses = set(guess(api, owner.email, 11))
        change = owner.send("POST", "auth/password", json={"current": PASSWORD, "new": "another long walk"})
        session, refreshed = owner.get("users/me"), owner.refresh()
        other = Somewhere(api).log_in(elsewhere.email)
        return guesses, [change.status_code, session.status_code, refreshed.status_code, other.status_code]

    assert in_one_window(count) == ({401, 429}, [204, 200, 200, 200])


def test_familiar_network_logs_in_despite_guesses_elsewhere(api: Api) -> None:
    """Guesses from a familiar network have a separate limit, which does not affect other networks."""

    def count() -> tuple[list[int], list[int], list[int]]:
        home = Somewhere(api)
        owner = home.person()
        work = Somewhere(api)
        assert work.log_in(owner.email).status_code == 200
        guesses = guess(api, owner.email, 13)
        right = [each.log_in(owner.email).status_code for each in (home, work, Somewhere(api.fresh()))]
        wrong = [home.log_in(owner.email, "not the password").status_code for _ in range(11)]
        return guesses, right, [*wrong, home.log_in(owner.email).status_code, work.log_in(owner.email).status_code]

    guesses, right, afterwards = in_one_window(count)
    assert guesses == [401] * 10 + [429] * 3
    assert right == [200, 200, 429]
    assert afterwards == [401] * 10 + [429, 429, 200]


def test_a_network_is_familiar_for_thirty_days(api: Api) -> None:
    def count() -> list[int]:
        home = Somewhere(api)
        owner = home.person()
        guess(api, owner.email, 11)
        found = [home.log_in(owner.email).status_code]
        for days in (29, 31):
            _set_last_login(api, owner, days)
            found.append(home.log_in(owner.email).status_code)
            _set_last_login(api, owner, days)
        return [*found, home.log_in(owner.email).status_code]

    assert in_one_window(count) == [200, 200, 429, 429]


def test_an_account_keeps_a_hundred_networks_at_most(api: Api) -> None:
    owner, latest = Somewhere(api).person(), Somewhere(api)
    api.query(
        "INSERT INTO login_networks SELECT %s, n::text, now() - interval '1 day' FROM generate_series(1, 150) n "
        "RETURNING 1", (owner.id,),
    )  # fmt: skip
    assert latest.log_in(owner.email).status_code == 200
    found = {row[0] for row in api.query("SELECT network FROM login_networks WHERE user_id = %s", (owner.id,))}
    assert len(found) <= 101
    assert latest.address in found


def _set_last_login(api: Api, person: Person, days: int) -> None:
    api.query(
        "UPDATE login_networks SET last_login_at = now() - make_interval(days => %s) WHERE user_id = %s RETURNING 1",
        (days, person.id),
    )


def test_guesses_for_an_address_like_an_id_do_not_count_for_that_account(api: Api) -> None:
    def count() -> tuple[set[int], int]:
        owner = Somewhere(api).person()
        names = [f"{sign}{number}@x.example" for sign in ("#", "") for number in (owner.id, _session_of(owner))]
        guesses = {status for name in names for status in guess(api, name, 12)}
        return guesses, owner.send("DELETE", "users/me", json={"password": PASSWORD}).status_code

    assert in_one_window(count) == ({401, 429}, 204)


def _session_of(person: Person) -> int:
    return int(person.get("auth/sessions").json()["sessions"][0]["id"])


def test_correct_passwords_do_not_count_as_guesses(api: Api) -> None:
    person = Somewhere(api).person()
    assert {Somewhere(api.fresh()).log_in(person.email).status_code for _ in range(15)} == {200}


def test_concurrent_correct_logins_retry_after_one_second(api: Api) -> None:
    """More concurrent logins than the limit of failures, each retried until it succeeds."""
    person, waits = Somewhere(api).person(), list[str]()

    def log_in() -> int:
        while (answer := Somewhere(api.fresh()).log_in(person.email)).status_code == 429:
            waits.append(answer.headers["Retry-After"])
        return answer.status_code

    with ThreadPoolExecutor(16) as threads:
        assert {each.result() for each in [threads.submit(log_in) for _ in range(32)]} == {200}
    assert set(waits) <= {"1"}


def test_refused_guesses_are_audited_once_per_worker(api: Api) -> None:
    def count() -> None:
        person = Somewhere(api).person()
        assert set(guess(api, person.email, 40)) == {401, 429}
        wait_for(lambda: "guess_refused" in api.audited(person.id), "a row of the refusals")
        rows = api.audited(person.id)
        assert rows.count("login_failed") == 10
        assert rows.count("guess_refused") <= 2, "at most one per worker"

    in_one_window(count)


def test_guessing_within_a_session_is_limited_as_well(api: Api) -> None:
    def count() -> tuple[list[int], requests.Response]:
        person = Somewhere(api).person()
        wrong = [person.send("DELETE", "users/me", json={"password": "wrong"}).status_code for _ in range(10)]
        return wrong, person.send("DELETE", "users/me", json={"password": PASSWORD})

    statuses, refused = in_one_window(count)
    assert statuses == [403] * 10
    assert_refused(refused, "login_failures", 10)


def test_address_has_sixty_logins_a_minute(api: Api) -> None:
    def count() -> tuple[list[int], requests.Response, int]:
        here = Somewhere(api)
        statuses = [here.log_in(Api.new_email()).status_code for _ in range(60)]
        return statuses, here.log_in(Api.new_email()), Somewhere(api).log_in(Api.new_email()).status_code

    statuses, refused, other = in_one_window(count)
    assert statuses == [401] * 60
    assert_refused(refused, "logins", 60)
    assert other == 401


def test_address_has_sixty_revocations_a_minute_besides_logins(api: Api) -> None:
    def revoke(address: str) -> requests.Response:
        return api.send("POST", "auth/revoke", data={"token": "unknown"}, headers={"X-Forwarded-For": address})

    def count() -> tuple[list[int], requests.Response, int]:
        here = Somewhere(api)
        statuses = [revoke(here.address).status_code for _ in range(60)]
        return statuses, revoke(here.address), here.log_in(Api.new_email()).status_code

    statuses, refused, login = in_one_window(count)
    assert statuses == [200] * 60
    assert_refused(refused, "revocations", 60)
    assert login == 401


def test_address_has_twenty_registrations_despite_forged_headers(api: Api) -> None:
    def count() -> tuple[list[int], requests.Response, int]:
        here = Somewhere(api)
        statuses = [here.register(forged=f"192.0.2.{number}").status_code for number in range(20)]
        return statuses, here.register(forged="198.51.100.1"), Somewhere(api).register().status_code

    statuses, refused, other = in_one_window(count)
    assert statuses == [201] * 20
    assert_refused(refused, "registrations", 20)
    assert other == 201


def test_address_has_twenty_requests_for_recovery_despite_forged_headers(api: Api) -> None:
    def count() -> tuple[list[int], requests.Response, int]:
        here = Somewhere(api)
        statuses = [here.recover(Api.new_email(), forged=f"192.0.2.{number}").status_code for number in range(20)]
        return statuses, here.recover(Api.new_email()), Somewhere(api).recover(Api.new_email()).status_code

    statuses, refused, other = in_one_window(count)
    assert statuses == [202] * 20
    assert_refused(refused, "mail_requests", 20)
    assert other == 202


@pytest.mark.parametrize("known", [True, False])
def test_e_mail_address_has_three_requests_for_recovery_from_all_addresses(api: Api, known: bool) -> None:
    def count() -> tuple[list[int], requests.Response, int]:
        email = Somewhere(api).register().json()["email"] if known else Api.new_email()
        spellings = (email, email.upper(), f" {email}")
        statuses = [Somewhere(api.fresh()).recover(each).status_code for each in spellings]
        here = Somewhere(api.fresh())
        return statuses, here.recover(email), here.recover(Api.new_email()).status_code

    statuses, refused, other = in_one_window(count)
    assert statuses == [202] * 3
    assert_refused(refused, "mail_requests", 3)
    assert other == 202


@pytest.mark.parametrize(
    ("path", "limit"), [("auth/register", 20), ("auth/login", 60), ("auth/revoke", 60), ("auth/recover", 20)]
)
def test_unreadable_body_counts_against_the_limit(api: Api, path: str, limit: int) -> None:
    def count() -> list[int]:
        here = Somewhere(api)
        headers = {"X-Forwarded-For": here.address, "Content-Type": "nonsense"}
        answers = [api.send("POST", path, data=b"{" * 3000, headers=headers) for _ in range(limit + 2)]
        return [each.status_code for each in answers]

    assert in_one_window(count) == [415] * limit + [429] * 2


def test_ipv6_network_shares_the_limit_of_one_address(api: Api) -> None:
    def count() -> tuple[list[int], int]:
        network = f"2001:db8:{next(_addresses) % 65_536:x}"
        here = [Somewhere(api.fresh(), f"{network}:5::{number:x}") for number in range(1, 61)]
        statuses = [each.register().status_code for each in here]
        return statuses, Somewhere(api, f"{network}:6::1").register().status_code

    statuses, neighbour = in_one_window(count)
    assert statuses == [201] * 20 + [429] * 40
    assert neighbour == 201


@pytest.mark.parametrize(
    ("forwarded", "shown"),
    [
        ("fe80::1%eth0", "fe80::1"),
        ("[fe80::1%eth0]:4711", "fe80::1"),
        ("::ffff:198.51.100.9", "198.51.100.9"),
        ("2001:DB8:0::1", "2001:db8::1"),
        ("unknown", "127.0.0.1"),
    ],
)
def test_an_address_is_shown_and_stored_in_one_form(api: Api, forwarded: str, shown: str) -> None:
    email = Somewhere(api).register().json()["email"]
    answer = Somewhere(api, forwarded).log_in(email)
    assert answer.status_code == 200, answer.text
    (session,) = api.get("auth/sessions", answer.json()["access_token"]).json()["sessions"]
    ((stored,),) = api.query("SELECT host(address) FROM sessions WHERE id = %s", (session["id"],))
    assert session["address"] == stored == shown


def test_a_user_has_six_hundred_requests_a_minute_over_all_workers(api: Api) -> None:
    def count() -> tuple[list[requests.Response], set[int], int, int]:
        person, other = Somewhere(api).person(), Somewhere(api).person()
        answers = [person.get("users/me") for _ in range(601)]
        elsewhere = {api.fresh().get("users/me", person.token).status_code for _ in range(20)}
        return answers, elsewhere, other.get("users/me").status_code, person.send("POST", "auth/logout").status_code

    answers, elsewhere, other, logout = in_one_window(count)
    assert {each.status_code for each in answers[:600]} == {200}
    assert_refused(answers[600], "user", 600)
    assert elsewhere == {429}
    assert (other, logout) == (200, 204)


def test_response_has_ratelimit_headers(api: Api) -> None:
    answer = Somewhere(api).person().get("users/me")
    assert answer.headers["RateLimit-Policy"] == f'"user";q=600;w={WINDOW_S}'
    assert re.fullmatch(r'"user";r=\d+;t=\d+', answer.headers["RateLimit"])


def test_without_memcached_the_limit_holds_for_each_worker(api: Api, cache: Memcached) -> None:
    def count() -> list[int]:
        return guess(api, Api.new_email(), 21)

    cache.kill()
    try:
        statuses = in_one_window(count)
    finally:
        cache.start()
        # Each worker counts alone until it has tried the server again.
        wait_for(lambda: all(api.fresh().get("health").json()["status"] == "ok" for _ in range(20)), "memcached in use")
    assert 10 <= statuses.count(401) <= 20
    assert set(statuses) == {401, 429}


def test_an_operation_of_graphql_counts_by_its_cost(api: Api) -> None:
    """What a worker has claimed beyond a multiple of the cost, it uses for cheaper requests."""

    def count() -> list[int]:
        person = Somewhere(api).person()
        query = "{" + " ".join(f"a{number}: me {{ id }}" for number in range(20)) + "}"
        headers = {"Authorization": f"Bearer {person.token}"}
        url = f"{api.url}/graphql"
        return [requests.post(url, json={"query": query}, headers=headers, timeout=30).status_code for _ in range(31)]

    statuses = in_one_window(count)
    passed = statuses.count(200)
    assert 27 <= passed <= 30
    assert statuses.count(429) == 31 - passed
