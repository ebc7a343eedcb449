"""A gateway that stands still while a session ends sends nothing to it when it goes on."""

import pytest

from tests.api_client import Api, Person
from tests.integration.realtime.gateways import Gateway


def test_gateway_that_stood_still_sends_nothing(
    api: Api, person: Person, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with Gateway(tmp_path_factory.mktemp("paused"), api.variables) as gateway, gateway.socket(person) as socket:
        other = person.elsewhere()
        gateway.pause()
        assert person.send("POST", "auth/logout").status_code == 204
        assert other.send("PATCH", "users/me", json={"name": "Ada L."}).status_code == 200
        gateway.resume()
        assert socket.rest() == ([], 4401)
