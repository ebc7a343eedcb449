"""Links of mails: not guessed, not reused, not for another account, not after the address has changed."""

import base64
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from app.accounts.schemas import NewAddress
from app.auth.schemas import Client
from app.auth.service import AuthService
from app.config import load_settings
from app.errors import Conflict
from app.infra.metrics.counters import Counters
from app.main import Parts
from tests.api_client import PASSWORD, Person
from tests.integration.accounts.conftest import Mailed
from tests.integration.api.companies import make_company
from tests.service import CHECKOUT

NEW = "a short swim in the sun"
ENDPOINTS = ("verify", "reset", "change-address", "accept-invitation")
SUBJECTS = {"verify": "Confirm your e-mail", "reset": "Choose a new password", "change-address": "Confirm your new"}


def use(mailed: Mailed, endpoint: str, token: str) -> tuple[int, str | None]:
    """(status, code) of using a token."""
    body = {"token": token} | ({"password": NEW} if endpoint == "reset" else {})
    answer = mailed.api.fresh().post(f"auth/{endpoint}", body)
    return answer.status_code, answer.json()["code"] if answer.content else None


def ask(mailed: Mailed, endpoint: str) -> tuple[Person, str]:
    """An account, and the token of a link of this kind."""
    if endpoint == "verify":
        person = mailed.api.register()
        return person, mailed.token(person.email, SUBJECTS[endpoint])
    person = mailed.verified()
    if endpoint == "reset":
        assert mailed.api.post("auth/recover", {"email": person.email}).status_code == 202
        return person, mailed.token(person.email, SUBJECTS[endpoint])
    email = mailed.api.new_email()
    if endpoint == "change-address":
        assert person.send("POST", "users/me/email", json={"email": email, "password": PASSWORD}).status_code == 202
        return person, mailed.token(email, SUBJECTS[endpoint])
    guest = mailed.verified()
    company = make_company(person)
    body = {"email": guest.email, "role": "owner"}
    assert person.send("POST", f"companies/{company['id']}/members", json=body).status_code == 202
    return person, mailed.token(guest.email, "Invitation to")


def flipped(token: str, bit: int) -> str:
    data = bytearray(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
    data[bit // 8] ^= 1 << bit % 8
    return base64.urlsafe_b64encode(bytes(data)).decode().rstrip("=")


@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_changed_token_is_refused_and_the_right_one_works_once(mailed: Mailed, endpoint: str) -> None:
    _, token = ask(mailed, endpoint)
    wrong = [flipped(token, bit) for bit in range(0, 320, 24)]
    wrong += [token[:-1], token + "A", token + "=", "A" * len(token), "A", "%00", token.swapcase()]
    assert {use(mailed, endpoint, each) for each in wrong} == {(404, "invalid_link")}
    others = [each for each in ENDPOINTS if each != endpoint]
    assert {use(mailed, each, token) for each in others} == {(404, "invalid_link")}
    assert use(mailed, endpoint, token)[0] == 204
    assert use(mailed, endpoint, token) == (404, "invalid_link")


@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_link_that_is_used_at_once_by_many_works_for_one(mailed: Mailed, endpoint: str) -> None:
    _, token = ask(mailed, endpoint)
    with ThreadPoolExecutor(6) as pool:
        statuses = list(pool.map(lambda _: use(mailed, endpoint, token)[0], range(6)))
    assert sorted(statuses) == [204] + [404] * 5


@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_expired_link_is_refused(mailed: Mailed, endpoint: str) -> None:
    person, token = ask(mailed, endpoint)
    sql = "UPDATE account_links SET expires_at = now() WHERE user_id = %s AND used_at IS NULL RETURNING 1"
    assert mailed.api.query(sql, (person.id,))
    assert use(mailed, endpoint, token) == (404, "invalid_link")


def test_recovery_lasts_thirty_minutes(mailed: Mailed) -> None:
    person, _ = ask(mailed, "reset")
    sql = """
SELECT extract(epoch FROM expires_at - created_at)::int FROM account_links WHERE user_id = %s AND purpose = 'recover'
"""
    assert mailed.api.query(sql, (person.id,)) == [(1800,)]


def test_id_of_one_account_does_not_go_with_the_secret_of_another(mailed: Mailed) -> None:
    (one, first), (two, second) = ask(mailed, "reset"), ask(mailed, "reset")
    mixed = [
        base64.urlsafe_b64encode(base64.urlsafe_b64decode(a + "==")[:8] + base64.urlsafe_b64decode(b + "==")[8:])
        for a, b in ((first, second), (second, first))
    ]
    assert {use(mailed, "reset", each.decode().rstrip("=")) for each in mixed} == {(404, "invalid_link")}
    assert use(mailed, "reset", first)[0] == 204
    assert [mailed.api.login(person.email, NEW).status_code for person in (one, two)] == [200, 401]


def test_row_that_is_moved_to_another_account_makes_the_link_useless(mailed: Mailed) -> None:
    (person, token), other = ask(mailed, "reset"), mailed.verified()
    sql = "UPDATE account_links SET user_id = %s, email = %s WHERE user_id = %s AND purpose = 'recover' RETURNING 1"
    assert mailed.api.query(sql, (other.id, other.email, person.id))
    assert use(mailed, "reset", token) == (404, "invalid_link")


def test_links_to_an_address_end_when_the_account_has_another(mailed: Mailed) -> None:
    person, recovery = ask(mailed, "reset")
    email = mailed.api.new_email()
    body = {"email": email, "password": PASSWORD}
    assert person.send("POST", "users/me/email", json=body).status_code == 202
    assert use(mailed, "change-address", mailed.token(email, SUBJECTS["change-address"]))[0] == 204
    assert use(mailed, "reset", recovery) == (404, "invalid_link")


def test_address_changed_by_sql_ends_links_too(mailed: Mailed) -> None:
    for endpoint in ("verify", "reset"):
        person, token = ask(mailed, endpoint)
        moved = "UPDATE users SET email = %s WHERE id = %s RETURNING 1"
        assert mailed.api.query(moved, (mailed.api.new_email(), person.id))
        assert use(mailed, endpoint, token) == (404, "invalid_link")


def change_password(mailed: Mailed, person: Person) -> None:
    body = {"current": PASSWORD, "new": NEW}
    assert person.send("POST", "auth/password", json=body).status_code == 204


def log_out_everywhere(mailed: Mailed, person: Person) -> None:
    assert person.send("POST", "auth/logout?scope=all").status_code == 204


def end_sessions_by_command(mailed: Mailed, person: Person) -> None:
    command = [sys.executable, "-m", "app", "sessions", "end", person.email]
    subprocess.run(command, cwd=CHECKOUT, env=mailed.service.variables, check=True, timeout=60)


def disable_and_enable(mailed: Mailed, person: Person) -> None:
    admin = mailed.verified()
    mailed.api.query("UPDATE users SET admin = true WHERE id = %s RETURNING 1", (admin.id,))
    for action in ("disable", "enable"):
        assert admin.send("POST", f"admin/users/{person.id}/{action}").status_code == 200


@pytest.mark.parametrize(
    "react", [change_password, log_out_everywhere, end_sessions_by_command, disable_and_enable]
)  # fmt: skip
def test_reaction_to_a_stolen_password_ends_links_that_the_thief_asked_for(
    mailed: Mailed, react: Callable[[Mailed, Person], None]
) -> None:
    person, guest, email = mailed.verified(), mailed.verified(), mailed.api.new_email()
    members = f"companies/{make_company(person)['id']}/members"
    assert person.send("POST", members, json={"email": guest.email, "role": "owner"}).status_code == 202
    assert person.send("POST", "users/me/email", json={"email": email, "password": PASSWORD}).status_code == 202
    assert mailed.api.post("auth/recover", {"email": person.email}).status_code == 202
    links = {
        "change-address": mailed.token(email, SUBJECTS["change-address"]),
        "accept-invitation": mailed.token(guest.email, "Invitation to"),
        "reset": mailed.token(person.email, SUBJECTS["reset"]),
    }
    react(mailed, person)
    assert {each: use(mailed, each, token) for each, token in links.items()} == dict.fromkeys(
        links, (404, "invalid_link")
    )


def test_link_that_proves_the_present_address_outlives_a_new_password(mailed: Mailed) -> None:
    person, token = ask(mailed, "verify")
    change_password(mailed, person.log_in())
    assert use(mailed, "verify", token)[0] == 204


@pytest.mark.parametrize("react", [change_password, log_out_everywhere])
def test_link_that_is_asked_for_meanwhile_is_not_mailed(
    mailed: Mailed, react: Callable[[Mailed, Person], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The account reacts while the thief's request is between the check of the password and its transaction."""
    person, email = mailed.verified(), mailed.api.new_email()
    (session,) = mailed.api.query("SELECT id FROM sessions WHERE user_id = %s AND revoked_at IS NULL", (person.id,))
    parts = Parts(load_settings(dict(mailed.service.variables)), Counters.create([], slots=1))
    confirmed = AuthService.confirmed

    def slow(self: AuthService, *args: Any) -> Any:
        account = confirmed(self, *args)
        react(mailed, person)
        return account

    monkeypatch.setattr(AuthService, "confirmed", slow)
    try:
        with pytest.raises(Conflict):
            parts.by_mail().ask_change(person.id, session[0], NewAddress(email, PASSWORD), Client(None, "", ""))
    finally:
        parts.close()
    sql = "SELECT count(*) FROM account_links WHERE user_id = %s AND purpose = 'change'"
    assert mailed.api.query(sql, (person.id,)) == [(0,)]


def test_disabled_account_is_not_recovered(mailed: Mailed) -> None:
    person, token = ask(mailed, "reset")
    disabled = "UPDATE users SET disabled_at = now() WHERE id = %s RETURNING 1"
    assert mailed.api.query(disabled, (person.id,))
    assert use(mailed, "reset", token) == (404, "invalid_link")
    assert mailed.api.post("auth/recover", {"email": person.email}).status_code == 202
    mailed.quiet()
    assert len(mailed.to(person.email, SUBJECTS["reset"])) == 1


def test_database_holds_no_token(mailed: Mailed) -> None:
    _, token = ask(mailed, "reset")
    secret = base64.urlsafe_b64decode(token + "==")[8:]
    rows = mailed.api.query("SELECT l::text FROM account_links l", ())
    rows += mailed.api.query("SELECT j::text FROM procrastinate_jobs j", ())
    text = "\n".join(row[0] for row in rows)
    assert secret.hex() not in text
    assert token[12:] not in text


def test_recovery_answers_the_same_for_every_address(mailed: Mailed) -> None:
    known, unknown = mailed.verified().email, mailed.api.new_email()
    answers = [mailed.api.post("auth/recover", {"email": email}) for email in (known, unknown, known, unknown)]
    assert {(each.status_code, each.content) for each in answers} == {(202, b"")}
    assert len({tuple(sorted(each.headers)) for each in answers}) == 1
    mailed.quiet()
    assert len(mailed.to(known, SUBJECTS["reset"])) in (1, 2)
    assert mailed.to(unknown, "") == []


def test_address_gets_five_links_an_hour_at_most(mailed: Mailed) -> None:
    person = mailed.verified()
    for _ in range(7):
        assert mailed.api.post("auth/recover", {"email": person.email}).status_code == 202
        mailed.quiet()
    assert len(mailed.to(person.email, SUBJECTS["reset"])) == 5
    body = {"email": "x" + person.email, "password": PASSWORD}
    sent = [person.send("POST", "users/me/email", json=body) for _ in range(6)]
    assert [each.status_code for each in sent] == [202] * 5 + [429]
    log_out_everywhere(mailed, person)
    assert person.log_in().send("POST", "users/me/email", json=body).status_code == 429, "ended links count as well"
