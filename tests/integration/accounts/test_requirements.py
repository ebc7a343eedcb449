"""Requirements of ASVS 5.0 that no other test shows; docs/asvs.md names all."""

import re
from collections.abc import Iterator
from pathlib import Path

from app.auth.links import duties
from app.infra.postgres.database import Transaction
from app.local.postgres import Postgres
from app.mail.messages import Mail
from app.routes import ROUTES
from app.web.openapi.description import document
from tests.integration.accounts.conftest import Mailed
from tests.sql import ask

ROOT = Path(__file__).parents[3]
ASVS = (ROOT / "docs" / "asvs.md").read_text()
LEVEL_1 = """
1.2.1-5 1.3.1-2 1.5.1 2.1.1 2.2.1-2 2.3.1 3.2.1-2 3.3.1 3.4.1-2 3.5.1-3 4.1.1 4.4.1 5.2.1-2 5.3.1-2 6.1.1 6.2.1-8
6.3.1-2 6.4.1-2 7.2.1-4 7.4.1-2 8.1.1 8.2.1-2 8.3.1 9.1.1-3 9.2.1 10.4.1-5 11.3.1-2 11.4.1 12.1.1 12.2.1-2 13.4.1 14.2.1
14.3.1 15.1.1 15.2.1 15.3.1
"""
LEVEL_2 = """
6.1.2-3 6.2.9-12 6.3.3-4 6.4.3-4 6.5.1-5 6.6.1-3 6.8.1-4 7.1.1-3 7.3.1-2 7.4.3-5 7.5.1-2 7.6.1-2 9.2.2-4
"""
LEVEL_3 = "6.3.5-8 6.4.5-6 6.6.4"  # of the chapters on mail
FORBIDDEN = ("hint", "question", "phone", "sms")


class Recorded(Transaction):
    """A transaction that keeps what it is asked, instead of asking PostgreSQL."""

    def __init__(self) -> None:
        self.asked: list[tuple[object, int]] = []

    def one(self, statement: object, *params: object) -> None:
        self.asked.append((statement, len(params)))


def requirements(text: str) -> Iterator[str]:
    """The numbers of a list such as "1.2.1-5 1.5.1"."""
    for each in text.split():
        first, _, last = each.partition("-")
        chapter, _, number = first.rpartition(".")
        yield from (f"{chapter}.{n}" for n in range(int(number), int(last or number) + 1))


def test_every_requirement_has_a_row_and_a_met_one_shows_how() -> None:
    rows = re.findall(r"^\| (\d+\.\d\.\d+) [^|]*\| (\d) \| ([^|]*)\| ([^|]*)\|$", ASVS, re.MULTILINE)
    levels = {"1": LEVEL_1, "2": LEVEL_2, "3": LEVEL_3}
    assert sorted((number, level) for number, level, _, _ in rows) == sorted(
        (number, level) for level, text in levels.items() for number in requirements(text)
    )
    shown = re.compile(r"::|`make ")
    assert [number for number, _, state, tests in rows if state.startswith("met") and not shown.search(tests)] == []
    assert [number for number, _, state, _ in rows if not re.match(r"(met|not met|not applicable)\b", state)] == []


def test_named_tests_exist() -> None:
    named = set(re.findall(r"(tests/[\w/]+\.py)::(\w+)", ASVS))
    sources = {path: (ROOT / path).read_text() for path, _ in named}
    assert len(named) > 80
    assert [(path, name) for path, name in named if f"def {name}(" not in sources[path]] == []


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
