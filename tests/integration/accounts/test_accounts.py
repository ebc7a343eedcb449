"""Accounts by mail: proof of addresses, recovery, change of address, invitations, notices."""

import json

import pytest

from tests.api_client import PASSWORD, Api
from tests.integration.accounts.conftest import Mailed, token_of
from tests.integration.api.companies import make_company

NEW = "a short swim in the sun"
VERIFY, RECOVER, CHANGE, INVITE = "Confirm your e-mail", "Choose a new password", "Confirm your new", "Invitation to"
DRAFT = {"title": "Nurse", "description": "<p>You care.</p>", "language": "en", "state": "draft"}
MAIL_WAITS = """
INSERT INTO procrastinate_jobs (queue_name, task_name, args, scheduled_at)
VALUES ('mail.send', 'mail.send', %s, now() + interval '1 day') RETURNING id
"""


def make_old(api: Api, user_id: int, days: int) -> None:
    sql = "UPDATE users SET created_at = now() - make_interval(days => %s) WHERE id = %s RETURNING 1"
    api.query(sql, (days, user_id))


def test_registration_mails_a_link_that_proves_the_address(mailed: Mailed) -> None:
    api = mailed.api
    person = api.register().log_in()
    assert person.get("users/me").json()["verified_at"] is None
    token = mailed.token(person.email, VERIFY)
    assert api.post("auth/verify", {"token": token}).status_code == 204
    assert person.get("users/me").json()["verified_at"] is not None
    assert "address_verified" in api.audited(person.id)


def test_mail_is_in_the_language_of_the_account(mailed: Mailed) -> None:
    email = mailed.api.new_email()
    body = {"email": email, "password": PASSWORD, "name": "Ada", "language": "de"}
    assert mailed.api.post("auth/register", body).status_code == 201
    mailed.wait(email, "Bestätigen Sie Ihre E-Mail-Adresse")


def test_unverified_account_may_do_all_but_what_the_setting_names(mailed: Mailed) -> None:
    person = mailed.api.register().log_in()
    company = make_company(person)
    refused = person.send("POST", f"companies/{company['id']}/jobs", json=DRAFT)
    assert (refused.status_code, refused.json()["code"]) == (403, "unverified")
    assert mailed.api.post("auth/verify", {"token": mailed.token(person.email, VERIFY)}).status_code == 204
    assert person.send("POST", f"companies/{company['id']}/jobs", json=DRAFT).status_code == 201


def test_link_is_mailed_again_until_the_address_is_proven(mailed: Mailed) -> None:
    person = mailed.api.register().log_in()
    first = mailed.token(person.email, VERIFY)
    assert person.send("POST", "users/me/verification").status_code == 202
    second = mailed.token(person.email, VERIFY, 2)
    assert first != second
    assert mailed.api.post("auth/verify", {"token": second}).status_code == 204
    assert person.send("POST", "users/me/verification").status_code == 202
    mailed.quiet()
    assert len(mailed.to(person.email, VERIFY)) == 2


def test_recovery_sets_the_password_and_ends_every_session(mailed: Mailed) -> None:
    person = mailed.verified()
    other = person.elsewhere()
    assert mailed.api.post("auth/recover", {"email": person.email.upper()}).status_code == 202
    token = mailed.token(person.email, RECOVER)
    refused = mailed.api.post("auth/reset", {"token": token, "password": "password"})
    assert refused.status_code == 422
    assert mailed.api.post("auth/reset", {"token": token, "password": NEW}).status_code == 204
    assert [each.get("users/me").status_code for each in (person, other)] == [401, 401]
    assert mailed.api.login(person.email).status_code == 401
    assert mailed.api.login(person.email, NEW).status_code == 200
    mailed.wait(person.email, "Your password was changed")


def test_recovery_gives_a_squatted_address_to_who_reads_its_mail(mailed: Mailed) -> None:
    squatter = mailed.api.register().log_in()
    change = {"email": mailed.api.new_email(), "password": PASSWORD}
    assert squatter.send("POST", "users/me/email", json=change).status_code == 202
    assert mailed.api.post("auth/recover", {"email": squatter.email}).status_code == 202
    token = mailed.token(squatter.email, RECOVER)
    assert mailed.api.post("auth/reset", {"token": token, "password": NEW}).status_code == 204
    assert squatter.get("users/me").status_code == 401
    kept = mailed.token(change["email"], CHANGE)
    assert mailed.api.post("auth/change-address", {"token": kept}).json()["code"] == "invalid_link"
    assert mailed.api.login(squatter.email, NEW).status_code == 200


def test_change_of_address_needs_proof_and_tells_the_old_one(mailed: Mailed) -> None:
    person, email = mailed.verified(), mailed.api.new_email()
    old = person.email
    wrong = person.send("POST", "users/me/email", json={"email": email, "password": NEW})
    assert wrong.status_code == 403
    assert person.send("POST", "users/me/email", json={"email": email, "password": PASSWORD}).status_code == 202
    token = mailed.token(email, CHANGE)
    assert person.get("users/me").json()["email"] == old
    assert mailed.api.post("auth/change-address", {"token": token}).status_code == 204
    assert person.get("users/me").json()["email"] == email
    assert email in mailed.wait(old, "was changed").get_body(("plain",)).get_content()  # type: ignore[union-attr]
    assert [mailed.api.login(each).status_code for each in (old, email)] == [401, 200]


def test_proven_address_is_taken_from_an_account_without_proof(mailed: Mailed) -> None:
    squatter, person = mailed.api.register().log_in(), mailed.verified()
    company = make_company(squatter)
    body = {"email": squatter.email, "password": PASSWORD}
    assert person.send("POST", "users/me/email", json=body).status_code == 202
    token = mailed.token(squatter.email, CHANGE)
    assert mailed.api.post("auth/change-address", {"token": token}).status_code == 204
    assert squatter.get("users/me").status_code == 401
    assert mailed.api.get(f"companies/{company['id']}").status_code == 404
    assert person.get("users/me").json()["email"] == squatter.email


def test_address_of_a_proven_account_is_not_given_away(mailed: Mailed) -> None:
    owner, person = mailed.verified(), mailed.verified()
    body = {"email": owner.email, "password": PASSWORD}
    assert person.send("POST", "users/me/email", json=body).status_code == 202
    answer = mailed.api.post("auth/change-address", {"token": mailed.token(owner.email, CHANGE)})
    assert (answer.status_code, answer.json()["code"]) == (409, "email_taken")
    assert owner.get("users/me").json()["email"] == owner.email


def test_unverified_accounts_are_removed_after_seven_days(mailed: Mailed) -> None:
    from app.config import load_settings
    from app.infra.metrics.counters import Counters
    from app.main import Parts

    kept, (late, young, waiting) = mailed.verified(), (mailed.api.register().log_in() for _ in range(3))
    company = make_company(late)
    for person in (late, young, waiting):
        mailed.wait(person.email, "Confirm your")
    mailed.quiet()
    mailed.api.query(MAIL_WAITS, (json.dumps({"mail": {"to": waiting.email}}),))
    for person, days in ((kept, 100), (late, 8), (young, 6), (waiting, 8)):
        make_old(mailed.api, person.id, days)
    without_mail = {name: value for name, value in mailed.service.variables.items() if name != "MAIL_URL"}
    for variables, left in ((without_mail, 200), (dict(mailed.service.variables), 401)):
        parts = Parts(load_settings(variables), Counters.create([], slots=1))
        try:
            parts.by_mail().remove_unverified()
        finally:
            parts.close()
        assert late.get("users/me").status_code == left
    assert [each.get("users/me").status_code for each in (kept, young, waiting)] == [200, 200, 200]
    mailed.api.query("DELETE FROM procrastinate_jobs WHERE scheduled_at IS NOT NULL RETURNING id", ())
    assert mailed.api.get(f"companies/{company['id']}").status_code == 404
    assert mailed.api.post("auth/register", {"email": late.email, "password": NEW, "name": "Eve"}).status_code == 201


def test_invitation_is_accepted_by_mail(mailed: Mailed) -> None:
    owner, guest = mailed.verified(), mailed.verified()
    company = make_company(owner)
    body = {"email": guest.email, "role": "recruiter"}
    answer = owner.send("POST", f"companies/{company['id']}/members", json=body)
    assert (answer.status_code, answer.content) == (202, b"")
    token = mailed.token(guest.email, INVITE)
    assert guest.get(f"companies/{company['id']}/members").status_code == 403
    assert mailed.api.post("auth/accept-invitation", {"token": token}).status_code == 204
    assert guest.get(f"companies/{company['id']}/members").status_code == 200
    assert mailed.api.post("auth/accept-invitation", {"token": token}).json()["code"] == "invalid_link"


def test_invitation_waits_for_an_account_that_has_proven_the_address(mailed: Mailed) -> None:
    owner, email = mailed.verified(), mailed.api.new_email()
    company = make_company(owner)
    body = {"email": email, "role": "owner"}
    assert owner.send("POST", f"companies/{company['id']}/members", json=body).status_code == 202
    token = mailed.token(email, INVITE)
    assert mailed.api.post("auth/accept-invitation", {"token": token}).json()["code"] == "no_account"
    account = {"email": email, "password": PASSWORD, "name": "Eve"}
    assert mailed.api.post("auth/register", account).status_code == 201
    assert mailed.api.post("auth/accept-invitation", {"token": token}).json()["code"] == "no_account"
    assert mailed.api.post("auth/verify", {"token": mailed.token(email, VERIFY)}).status_code == 204
    assert mailed.api.post("auth/accept-invitation", {"token": token}).status_code == 204


def test_invitation_of_a_former_owner_does_not_work(mailed: Mailed) -> None:
    owner, other, guest = mailed.verified(), mailed.verified(), mailed.verified()
    company = make_company(owner)
    path = f"companies/{company['id']}/members"
    assert owner.send("POST", path, json={"email": other.email, "role": "owner"}).status_code == 202
    token = mailed.token(other.email, INVITE)
    assert mailed.api.post("auth/accept-invitation", {"token": token}).status_code == 204
    assert owner.send("POST", path, json={"email": guest.email, "role": "owner"}).status_code == 202
    token = mailed.token(guest.email, INVITE)
    assert other.send("DELETE", f"{path}/{owner.id}").status_code == 204
    assert mailed.api.post("auth/accept-invitation", {"token": token}).json()["code"] == "invalid_link"


def test_removed_member_does_not_return_by_another_invitation(mailed: Mailed) -> None:
    owner, guest = mailed.verified(), mailed.verified()
    path = f"companies/{make_company(owner)['id']}/members"

    def invited(number: int) -> str:
        body = {"email": guest.email, "role": "recruiter"}
        assert owner.send("POST", path, json=body).status_code == 202
        return mailed.token(guest.email, INVITE, number)

    def accepted(token: str) -> int:
        return mailed.api.post("auth/accept-invitation", {"token": token}).status_code

    first, second = invited(1), invited(2)
    assert [accepted(first), accepted(second)] == [204, 404]
    while_a_member = invited(3)
    assert owner.send("DELETE", f"{path}/{guest.id}").status_code == 204
    assert [accepted(each) for each in (first, second, while_a_member)] == [404] * 3
    afterwards = invited(4)
    assert owner.send("DELETE", f"{path}/{guest.id}").status_code == 404
    assert guest.get(path).status_code == 403
    assert accepted(afterwards) == 204
    assert guest.get(path).status_code == 200


def test_login_from_a_new_network_is_told_unless_switched_off(mailed: Mailed) -> None:
    person = mailed.verified()
    mailed.quiet()
    assert mailed.to(person.email, "new network") == []
    other = "UPDATE login_networks SET network = %s WHERE user_id = %s RETURNING 1"
    mailed.api.query(other, ("192.0.2.1", person.id))
    person.log_in(agent="A browser")
    text = mailed.wait(person.email, "new network").get_body(("plain",)).get_content()  # type: ignore[union-attr]
    assert "A browser" in text
    assert "127.0.0.1" in text
    assert person.send("PATCH", "users/me/settings", json={"device_mails": False}).status_code == 200
    forget = "DELETE FROM login_networks WHERE user_id = %s AND network <> '192.0.2.1' RETURNING 1"
    mailed.api.query(forget, (person.id,))
    person.log_in()
    mailed.quiet()
    assert len(mailed.to(person.email, "new network")) == 1


def test_password_change_is_told(mailed: Mailed) -> None:
    person = mailed.verified()
    body = {"current": PASSWORD, "new": NEW}
    assert person.send("POST", "auth/password", json=body).status_code == 204
    mailed.wait(person.email, "Your password was changed")


def test_settings_are_read_and_changed(mailed: Mailed) -> None:
    person = mailed.api.person()
    assert person.get("users/me/settings").json() == {
        "language": None, "time_zone": "UTC", "device_mails": True, "alert_hour": 8
    }  # fmt: skip
    changed = {"language": "es", "time_zone": "America/Lima", "device_mails": False, "alert_hour": 23}
    assert person.send("PATCH", "users/me/settings", json=changed).json() == changed
    assert person.send("PATCH", "users/me/settings", json={"language": None}).json() == changed | {"language": None}
    for wrong in (
        {"time_zone": "Mars/Olympus"},
        {"time_zone": "../etc/passwd"},
        {"language": "tlh"},
        {"mail": 1},
        {"alert_hour": 24},
    ):
        assert person.send("PATCH", "users/me/settings", json=wrong).status_code == 422


@pytest.mark.parametrize("name", ["ada,eve@example.com", "ada@example.com, eve@example.com", "a\r\nBcc: x@example.com"])
def test_address_that_is_none_is_refused(mailed: Mailed, name: str) -> None:
    body = {"email": name, "password": PASSWORD, "name": "Ada"}
    assert mailed.api.post("auth/register", body).status_code == 422
    assert mailed.api.post("auth/recover", {"email": name}).status_code == 422


def test_idn_address_gets_its_mail(mailed: Mailed) -> None:
    local = mailed.api.new_email().split("@")[0]
    body = {"email": f"{local}@Bücher.example", "password": PASSWORD, "name": "Ada\u2028"}
    assert mailed.api.post("auth/register", body | {"name": "Ada"}).status_code == 201
    assert token_of(mailed.wait(f"{local}@xn--bcher-kva.example", VERIFY))
    (envelope,) = [to for _, to in mailed.server.plan.envelopes if to[0].startswith(local)]
    assert envelope == [f"{local}@xn--bcher-kva.example"]
