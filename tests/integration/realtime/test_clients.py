"""The clients of docs/realtime.md, as printed: both go on after a break without a gap."""

import asyncio
import re
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest

from app.local.process import becomes_true
from tests.api_client import Api, Person
from tests.browser import Browser
from tests.integration.realtime.gateways import WAIT_S, Gateway

DOCUMENT = Path(__file__).resolve().parents[3] / "docs" / "realtime.md"


def printed(name: str) -> str:
    found = re.search(rf"<!-- {name} -->\n```\w+\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)
    assert found
    assert len(found[1].splitlines()) <= 20
    return found[1]


def rename(person: Person) -> None:
    assert person.send("PATCH", "users/me", json={"name": "Ada L."}).status_code == 200


def streams(gateway: Gateway) -> int:
    """How many connections get events."""
    found = re.search(r"^jobfinder_realtime_streams (\d+)", gateway.metrics(), re.MULTILINE)
    assert found
    return int(found[1])


@pytest.fixture
def breaking(api: Api, tmp_path_factory: pytest.TempPathFactory) -> Gateway:
    return Gateway(tmp_path_factory.mktemp("breaking"), api.variables)


def test_python_client_goes_on_after_a_break(breaking: Gateway, person: Person) -> None:
    names: dict[str, Any] = {}
    exec(printed("client-python"), names)  # noqa: S102

    async def versions() -> list[int]:
        found: list[int] = []
        url = breaking.url.replace("http", "ws") + "/api/v1/realtime"
        async with aclosing(names["follow"](url, lambda: person.token)) as events:
            coming = asyncio.ensure_future(anext(events))
            assert await asyncio.to_thread(becomes_true, lambda: streams(breaking) == 1, WAIT_S)
            while len(found) < 4:
                await asyncio.to_thread(rename, person)
                found.append((await coming)["data"]["version"])
                coming = asyncio.ensure_future(anext(events))
                if len(found) == 2:
                    await asyncio.to_thread(breaking.kill)
                    await asyncio.to_thread(rename, person)
                    await asyncio.to_thread(breaking.restart)
            coming.cancel()
            await asyncio.gather(coming, return_exceptions=True)
        return found

    with breaking:
        assert asyncio.run(versions()) == [2, 3, 4, 5]


def test_javascript_client_goes_on_after_a_break(
    breaking: Gateway, person: Person, tmp_path_factory: pytest.TempPathFactory
) -> None:
    breaking.variables["CORS_ORIGINS"] = breaking.url
    url = breaking.url.replace("http", "ws") + "/api/v1/realtime"
    script = "window.got = []; follow(arguments[0], () => arguments[1], event => got.push(event.data.version))"
    with breaking, Browser(tmp_path_factory.mktemp("browser")) as browser:
        browser.open(f"{breaking.url}/health/live")
        browser.run(printed("client-javascript") + script, url, person.token)
        assert becomes_true(lambda: streams(breaking) == 1, WAIT_S)
        rename(person)
        browser.wait("return got.length === 1")
        breaking.kill()
        rename(person)
        breaking.restart()
        browser.wait("return got.length === 2")
        assert browser.run("return got") == [2, 3]
