"""What `helm test` runs: an account registers, logs in, reads its profile, logs out, is refused, and deletes itself."""  # noqa: INP001 - a script of its own

import json
import secrets
import sys
import time
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlsplit


class Service:
    """One connection for each request, so that the requests meet different pods."""

    def __init__(self, url: str) -> None:
        self._host = urlsplit(url).netloc

    def wait_until_reached(self, seconds: float) -> None:
        """A network that enforces policies may know a new pod only some moments after its start."""
        deadline = time.monotonic() + seconds
        while True:
            try:
                self.expect(200, "GET", "/health/live")
            except OSError as e:
                if time.monotonic() > deadline:
                    sys.exit(f"not reached within {seconds:g} s: {e}")
                time.sleep(0.5)
            else:
                return

    def expect(self, status: int, method: str, path: str, body: Any = None, token: str = "") -> Any:
        """The answer's JSON; ends the program when its status is another one."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        if body is not None:
            headers["Content-Type"] = "application/json"
        connection = HTTPConnection(self._host, timeout=30)
        try:
            connection.request(method, f"/api/v1{path}", None if body is None else json.dumps(body), headers)
            response = connection.getresponse()
            text = response.read().decode()
        finally:
            connection.close()
        sys.stdout.write(f"{response.status} {method} {path}\n")
        if response.status != status:
            sys.exit(f"{status} was expected, and the answer was: {text}")
        return json.loads(text) if text else None


def tour(service: Service) -> None:
    """Raises SystemExit at the first answer that is not as it should be."""
    service.wait_until_reached(30)
    account = {"email": f"helm-test-{secrets.token_hex(8)}@example.com", "password": secrets.token_urlsafe(16)}
    service.expect(201, "POST", "/auth/register", {**account, "name": "Helm Test"})
    token = service.expect(200, "POST", "/auth/login", account)["access_token"]
    service.expect(200, "GET", "/users/me", token=token)
    service.expect(204, "POST", "/auth/logout", token=token)
    for _ in range(10):
        service.expect(401, "GET", "/users/me", token=token)
    token = service.expect(200, "POST", "/auth/login", account)["access_token"]
    service.expect(204, "DELETE", "/users/me", {"password": account["password"]}, token)
    service.expect(401, "POST", "/auth/login", account)


if __name__ == "__main__":
    tour(Service(sys.argv[1]))
