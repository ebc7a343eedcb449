"""Requirements of ASVS 5.0 that no other test shows; docs/asvs.md names all."""

import re
from pathlib import Path

from app.auth.links import duties
from app.infra.postgres.database import Transaction
from app.local.postgres import Postgres
from app.mail.messages import Mail
from app.routes import ROUTES
from app.web.openapi.description import document
from tests.integration.accounts.conftest import Mailed
from tests.sql import ask

ASVS = (Path(__file__).parents[3] / "docs" / "asvs.md").read_text()
REQUIREMENTS = {f"6.3.{n}" for n in range(1, 9)} | {f"6.4.{n}" for n in range(1, 7)} | {f"6.6.{n}" for n in range(1, 5)}
FORBIDDEN = ("hint", "question", "phone", "sms")


class Recorded(Transaction):
    """A transaction that keeps what it is asked, instead of asking PostgreSQL."""

    def __init__(self) -> None:
        self.asked: list[tuple[object, int]] = []

    def one(self, statement: object, *params: object) -> None:
        self.asked.append((statement, len(params)))


def test_every_requirement_has_a_row_and_a_met_one_has_tests() -> None:
    rows = re.findall(r"^\| (6\.\d\.\d) [^|]*\| \d \| ([^|]*)\| ([^|]*)\|$", ASVS, re.MULTILINE)
    assert {number for number, _, _ in rows} == REQUIREMENTS
    assert [number for number, state, tests in rows if state.startswith("met") and "::" not in tests] == []
    states = {state.split(":")[0].split(" for ")[0].strip() for _, state, _ in rows}
    assert states <= {"met", "not met", "not applicable"}


def test_migrated_database_has_no_account(postgres: Postgres, migrated: str) -> None:
    url = postgres.create_database("no_accounts", template=migrated)
    assert ask(url, "SELECT count(*) FROM users", ()) == [(0,)]
    postgres.drop_database("no_accounts")


def test_no_link_opens_a_session(mailed: Mailed) -> None:
    person = mailed.api.register()
    token = mailed.token(person.email, "Confirm your e-mail")
    answers = [mailed.api.post("auth/verify", {"token": token})]
    answers.append(mailed.api.post("auth/recover", {"email": person.email}))
    token = mailed.token(person.email, "Choose a new password")
    answers.append(mailed.api.post("auth/reset", {"token": token, "password": "a short swim in the sun"}))
    assert [(each.status_code, each.content, each.cookies.get_dict()) for each in answers] == [
        (204, b"", {}), (202, b"", {}), (204, b"", {}),
    ]  # fmt: skip
    assert mailed.api.query("SELECT count(*) FROM sessions WHERE user_id = %s", (person.id,)) == [(0,)]


def test_request_for_recovery_does_not_look_for_the_account() -> None:
    asked = []
    for email in ("known@example.com", "unknown@example.com"):
        transaction = Recorded()
        duties.ask_recovery(transaction, email)
        asked.append(transaction.asked)
    assert asked[0] == asked[1]
    assert "users" not in str(asked)


def test_no_request_has_hints_or_questions() -> None:
    shapes = document(ROUTES)["components"]["schemas"]
    fields = {name for shape in shapes.values() for name in shape.get("properties", {})}
    about_accounts = fields - {"question", "questions"}  # what a company asks applicants
    assert [name for name in about_accounts if any(word in name for word in FORBIDDEN)] == []


def test_administrators_cannot_set_passwords() -> None:
    paths = {path: item for path, item in document(ROUTES)["paths"].items() if "/admin/" in path}
    assert paths
    assert "assword" not in str([op.get("requestBody") for item in paths.values() for op in item.values()])


def test_task_of_a_mail_names_the_link_and_not_its_token() -> None:
    assert set(Mail.__struct_fields__) == {"key", "kind", "to", "language", "values", "link"}
