"""The documentation page and GraphiQL in a real browser: call endpoints, and load nothing from other hosts."""

import json
from collections.abc import Iterator

import pytest

from tests.api_client import PASSWORD, Api
from tests.browser import Browser
from tests.integration.operating.release import Release

FIND = "return document.querySelector(arguments[0])"
CLICK = f"const found = (() => {{ {FIND} }})(); if (found) found.click(); return found !== null"
TEXT = f"const found = (() => {{ {FIND} }})(); return found && found.innerText"
FILL = """
const field = document.querySelector(arguments[0]);
if (field === null) return false;
Object.getOwnPropertyDescriptor(HTMLTextAreaElement.prototype, "value").set.call(field, arguments[1]);
field.dispatchEvent(new Event("input", { bubbles: true }));
return true;
"""
WRITE = """
const editor = document.querySelector(".graphiql-query-editor .CodeMirror");
if (editor === null) return false;
editor.CodeMirror.setValue(arguments[0]);
return true;
"""
HINTS = """
const editor = document.querySelector(".graphiql-query-editor .CodeMirror").CodeMirror;
editor.setCursor({ line: 0, ch: arguments[0] });
editor.execCommand("autocomplete");
return [...document.querySelectorAll(".CodeMirror-hint")].some((each) => each.innerText.startsWith(arguments[1]));
"""
LOADED = "return performance.getEntriesByType('resource').map(each => each.name)"


@pytest.fixture(scope="module", params=["", "/shared/jobs"])
def api(request: pytest.FixtureRequest, release: Release) -> Iterator[Api]:
    with release.pod(PATH_PREFIX=request.param) as pod:
        pod.url += request.param
        yield release.api(pod)


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with Browser(tmp_path_factory.mktemp("browser")) as browser:
        yield browser


class Operation:
    """One operation of the page, expanded."""

    def __init__(self, browser: Browser, name: str) -> None:
        self._browser, self._block = browser, f"[id$='-{name}']"
        browser.wait(CLICK, f"{self._block} .opblock-summary-control")

    def call(self, body: object = None) -> tuple[int, str]:
        """Execute it; returns the status, and what the page shows of the answer."""
        if body is not None:
            self._browser.wait(FILL, f"{self._block} textarea.body-param__text", json.dumps(body))
        self._browser.wait(CLICK, f"{self._block} .execute")
        answer = f"{self._block} .live-responses-table"
        status = self._browser.wait(TEXT, f"{answer} tbody td.response-col_status")
        return int(status.split()[0]), self._browser.wait(TEXT, f"{answer} tbody td.response-col_description")


def test_login_and_calls_work_and_nothing_loads_from_other_hosts(browser: Browser, api: Api) -> None:
    person = api.register()
    browser.open(f"{api.url}/docs")
    credentials = {"email": person.email, "password": PASSWORD}
    assert Operation(browser, "postLogins").call(credentials)[0] == 200
    status, shown = Operation(browser, "getAccount").call()
    assert (status, person.email in shown) == (200, True)
    assert Operation(browser, "postLogouts").call()[0] == 204
    assert Operation(browser, "getOwnSessions").call()[0] == 401
    assert {each.split("/")[2] for each in browser.run(LOADED) if not each.startswith("data:")} == {
        api.url.split("/")[2]
    }
    assert [each for each in browser.complaints() if "401" not in each] == []


def test_graphiql_reads_the_schema_and_runs_a_query(browser: Browser, api: Api) -> None:
    browser.open(f"{api.url}/graphql")
    text = "query Explored { sea"
    browser.wait(WRITE, text)
    browser.wait(HINTS, len(text), "search")
    browser.wait(WRITE, "query Explored { search(first: 1) { pageInfo { hasNextPage } } }")
    browser.wait(CLICK, "button.graphiql-execute-button")
    browser.wait(f"return (() => {{ {TEXT} }})()?.includes(arguments[1])", ".result-window", "hasNextPage")
    assert {each.split("/")[2] for each in browser.run(LOADED) if not each.startswith("data:")} == {
        api.url.split("/")[2]
    }
    assert browser.complaints() == []
