"""The user account that the README's tour creates."""

from tests.e2e.platform.load.clients import Address
from tests.pods.connections import Connection, Request

ADA = {"email": "ada@example.com", "password": "a long walk in the rain"}


def forget_ada(address: Address) -> None:
    """Delete the account, so that the tour can run again."""
    connection = Connection("", address.port, host=address.host)
    login = connection.send(Request("POST", "/api/v1/auth/login", ADA))
    assert login.status == 200, login
    body = {"password": ADA["password"]}
    gone = connection.send(Request("DELETE", "/api/v1/users/me", body, login.body["access_token"]))
    assert gone.status == 204, gone
    connection.close()
