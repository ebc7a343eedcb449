"""The pages of links in a real browser, used by keyboard, and without scripts from anywhere."""

from collections.abc import Iterator
from urllib.parse import quote

import pytest
import requests

from tests.api_client import PASSWORD
from tests.browser import Browser
from tests.integration.accounts.conftest import Mailed

NEW = "a short swim in the sun"
HEADING = "return document.querySelector('h1') && document.querySelector('h1').innerText"
MESSAGE = "return document.querySelector('[role=status]') && document.querySelector('[role=status]').innerText"
FOCUSED = "return document.activeElement.tagName"
LABELS = "return [...document.querySelectorAll('input:not([type=hidden])')].every(each => each.labels.length === 1)"
TAB, ENTER = "\ue004", "\ue007"


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with Browser(tmp_path_factory.mktemp("browser")) as browser:
        yield browser


def page(mailed: Mailed, purpose: str, token: str) -> str:
    return f"{mailed.api.url}/account/{purpose}?token={quote(token)}"


def test_address_is_proven_by_keyboard(browser: Browser, mailed: Mailed) -> None:
    person = mailed.api.register().log_in()
    browser.open(page(mailed, "verify", mailed.token(person.email, "Confirm your e-mail")))
    assert browser.run(HEADING) == "Confirm your address"
    assert person.get("users/me").json()["verified_at"] is None
    browser.press(TAB)
    assert browser.run(FOCUSED) == "BUTTON"
    browser.press(ENTER)
    assert browser.wait(MESSAGE) == "Your address is confirmed."
    assert person.get("users/me").json()["verified_at"] is not None
    assert browser.complaints() == []


def test_password_is_recovered_by_keyboard(browser: Browser, mailed: Mailed) -> None:
    person = mailed.verified()
    assert mailed.api.post("auth/recover", {"email": person.email}).status_code == 202
    browser.open(page(mailed, "recover", mailed.token(person.email, "Choose a new password")))
    assert browser.run(LABELS)
    browser.press(f"{TAB}password{ENTER}")
    assert "Choose another one" in browser.wait(MESSAGE)
    browser.press(f"{TAB}{NEW}{ENTER}")
    browser.wait("return document.querySelector('form') === null")
    assert browser.run(MESSAGE) == "Your new password is set. Log in with it."
    assert mailed.api.login(person.email, NEW).status_code == 200
    assert person.get("users/me").status_code == 401
    assert [each for each in browser.complaints() if "Content Security Policy" in each] == []


@pytest.mark.parametrize("purpose", ["verify", "change", "recover", "invite", "unsubscribe"])
def test_page_of_a_wrong_link_says_so_in_the_language_of_the_browser(mailed: Mailed, purpose: str) -> None:
    url, german = page(mailed, purpose, "wrong"), {"Accept-Language": "de-AT, en;q=0.5"}
    assert '<html lang="de">' in requests.get(url, headers=german, timeout=30).text
    form = {"token": '"><script>alert(1)</script>', "password": PASSWORD}
    answer = requests.post(url, data=form, headers=german, timeout=30)
    assert (answer.status_code, "Dieser Link gilt nicht" in answer.text) == (404, True)
    assert "<script>" not in answer.text


@pytest.mark.parametrize("purpose", ["verify", "change", "recover", "invite", "unsubscribe"])
def test_pages_allow_no_scripts_frames_or_referrers_and_are_not_kept(mailed: Mailed, purpose: str) -> None:
    answer = requests.get(page(mailed, purpose, "<b>"), timeout=30)
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert "script" not in answer.text
    assert (answer.headers["Referrer-Policy"], answer.headers["Cache-Control"]) == ("no-referrer", "no-store")
    assert 'value="&lt;b&gt;"' in answer.text
