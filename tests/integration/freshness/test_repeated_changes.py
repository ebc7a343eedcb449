"""A repeated change that was stored before, but not published, is final when the repetition is acknowledged."""

from collections.abc import Iterator
from typing import Any

import pytest

from app.errors import Gone
from tests.integration.finality.harness.clients import Client, client_of
from tests.integration.finality.harness.people import Session
from tests.pods.connections import Answer, Request
from tests.pods.database import rows
from tests.pods.pod import Pod, Shared

OFFER = {"title": "Nurse", "description": "<p>You care.</p>", "language": "en"}
CLOSE = "UPDATE posting SET state = 'closed', shown = false, version = version + 1 WHERE id = %s RETURNING id"
RENAME = """
WITH text AS (UPDATE posting_text SET title = 'Baker' WHERE posting_id = %s RETURNING posting_id)
UPDATE posting SET version = version + 1 FROM text WHERE id = posting_id RETURNING id
"""


@pytest.fixture
def client(whole: list[Pod]) -> Iterator[Client]:
    with client_of(whole) as client:
        yield client


@pytest.fixture
def owner(client: Client) -> Session:
    return client.log_in()


def sent(client: Client, owner: Session, method: str, path: str, body: dict[str, Any]) -> Answer:
    return client.connections.all()[0].send(Request(method, path, body, owner.token))


def everywhere(client: Client, path: str) -> list[Answer]:
    """The answers of all workers."""
    return [each.send(Request("GET", path)) for each in client.connections.all()]


@pytest.mark.parametrize(
    ("stored", "patch", "expected"),
    [(CLOSE, {"state": "closed"}, (410, Gone.title)), (RENAME, {"title": "Baker"}, (200, "Baker"))],
    ids=["close", "edit"],
)
def test_repeated_change_is_final(
    client: Client, owner: Session, shared: Shared, stored: str, patch: dict[str, str], expected: tuple[int, str]
) -> None:
    """The first attempt is a statement of SQL, which nobody publishes but the ticker, seconds later."""
    company = sent(client, owner, "POST", "/api/v1/companies", {"name": "Acme"}).body["id"]
    job = sent(client, owner, "POST", f"/api/v1/companies/{company}/jobs", OFFER).body["id"]
    path = f"/api/v1/jobs/{job}"
    assert {each.body["title"] for each in everywhere(client, path)} == {"Nurse"}
    rows(shared, stored, job)
    assert sent(client, owner, "PATCH", path, patch).status == 200
    shown = {(each.status, each.body["title"]) for each in everywhere(client, path)}
    assert shown == {expected}
