"""HTTP client of the service for tests: registers users, logs in and sends requests."""

import http.client
import itertools
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import requests
from prometheus_client.parser import text_string_to_metric_families

PASSWORD = "a long walk in the rain"
TIMEOUT_S = 30
_numbers = itertools.count()


@dataclass
class RawAnswer:
    """A response as it was sent, not decompressed."""

    status: int
    headers: dict[str, str]
    body: bytes


class Api:
    """Client of the service at `url`; `query` runs SQL directly on its database, `variables` is its environment."""

    def __init__(
        self, url: str, query: Callable[[str, tuple[Any, ...]], list[tuple[Any, ...]]],
        variables: Mapping[str, str] | None = None,
    ) -> None:  # fmt: skip
        self.url, self.query, self.variables = url, query, dict(variables or {})
        self._session = requests.Session()

    def fresh(self) -> "Api":
        """The same service over a new connection, which any worker may accept."""
        return Api(self.url, self.query, self.variables)

    def root(self, path: str) -> requests.Response:
        return self._session.get(self.url + path, timeout=TIMEOUT_S)

    def send(self, method: str, path: str, **options: Any) -> requests.Response:
        return self._session.request(method, f"{self.url}/api/v1/{path}", timeout=TIMEOUT_S, **options)

    def get(self, path: str, token: str | None = None) -> requests.Response:
        return self.send("GET", path, headers={"Authorization": f"Bearer {token}"} if token else {})

    def post(self, path: str, body: object) -> requests.Response:
        return self.send("POST", path, json=body)

    def login(self, email: str, password: str = PASSWORD, agent: str = "the tests") -> requests.Response:
        body = {"email": email, "password": password}
        return self.send("POST", "auth/login", json=body, headers={"User-Agent": agent})

    @staticmethod
    def new_email() -> str:
        return f"{secrets.token_hex(8)}.{next(_numbers)}@example.com"

    def register(self, password: str = PASSWORD) -> "Person":
        """A new account that is not logged in."""
        email = self.new_email()
        answer = self.post("auth/register", {"email": email, "password": password, "name": "Ada"})
        assert answer.status_code == 201, answer.text
        return Person(self, answer.json()["id"], email)

    def person(self) -> "Person":
        """A new account that is logged in."""
        return self.register().log_in()

    def gauges(self, name: str) -> dict[str, float]:
        """Value of the gauge `name` on /metrics, by worker."""
        families = text_string_to_metric_families(self.fresh().root("/metrics").text)
        samples = [sample for family in families for sample in family.samples if sample.name == name]
        return {sample.labels["worker"]: sample.value for sample in samples}

    def audited(self, user_id: int) -> list[str]:
        rows = self.query("SELECT event FROM audit_log WHERE user_id = %s ORDER BY id", (user_id,))
        return [row[0] for row in rows]


class Person:
    """One user in one session."""

    def __init__(self, api: Api, user_id: int, email: str) -> None:
        self.api, self.id, self.email = api, user_id, email
        self.token = self.refresh_token = ""

    def log_in(self, agent: str = "the tests") -> "Person":
        answer = self.api.login(self.email, agent=agent)
        assert answer.status_code == 200, answer.text
        self._keep(answer)
        return self

    def elsewhere(self, agent: str = "the tests") -> "Person":
        """The same user in another session."""
        return Person(self.api, self.id, self.email).log_in(agent)

    def refresh(self) -> requests.Response:
        answer = self.api.post("auth/refresh", {"refresh_token": self.refresh_token})
        if answer.status_code == 200:
            self._keep(answer)
        return answer

    def send(self, method: str, path: str, headers: dict[str, str] | None = None, **options: Any) -> requests.Response:
        given = {"Authorization": f"Bearer {self.token}"} | (headers or {})
        return self.api.send(method, path, headers=given, **options)

    def get(self, path: str, headers: dict[str, str] | None = None) -> requests.Response:
        return self.send("GET", path, headers)

    def raw(self, path: str, headers: dict[str, str]) -> RawAnswer:
        """The response to a GET, with its body as it was sent."""
        connection = http.client.HTTPConnection(urlsplit(self.api.url).netloc, timeout=TIMEOUT_S)
        connection.request("GET", f"/api/v1/{path}", headers={"Authorization": f"Bearer {self.token}"} | headers)
        answer = connection.getresponse()
        return RawAnswer(answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read())

    def _keep(self, answer: requests.Response) -> None:
        tokens = answer.json()
        self.token, self.refresh_token = tokens["access_token"], tokens["refresh_token"]
