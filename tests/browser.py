"""A headless Chromium that a test drives by the WebDriver protocol (https://www.w3.org/TR/webdriver2/)."""

import shutil
import subprocess
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import requests

from app.local.postgres import free_port
from app.local.process import becomes_true

CHROMIUM, DRIVER = ("chromium", "chromium-browser", "google-chrome"), "chromedriver"
MISSING = "install Chromium and its driver (Debian: chromium, chromium-driver), or put both on the PATH"
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update", "--disable-dev-shm-usage",
    "--proxy-server=direct://", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)  # fmt: skip
WAIT_S = 60


class Browser:
    """One browser window that can reach only 127.0.0.1."""

    def __init__(self, folder: Path) -> None:
        port = free_port()
        self._folder, self._url = folder, f"http://127.0.0.1:{port}"
        driver = shutil.which(DRIVER)
        self._chromium = next(filter(None, map(shutil.which, CHROMIUM)), None)
        assert driver and self._chromium, MISSING
        self._command = [driver, f"--port={port}", f"--log-path={folder}/driver.log"]

    def __enter__(self) -> Self:
        self._driver = subprocess.Popen(self._command, stdout=subprocess.DEVNULL)
        try:
            assert becomes_true(self._answers, WAIT_S), "chromedriver does not answer"
            options = {"binary": self._chromium, "args": [*FLAGS, f"--user-data-dir={self._folder}/profile"]}
            wanted = {"goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL"}}
            session = self._ask("session", {"capabilities": {"alwaysMatch": wanted}})["sessionId"]
        except BaseException:
            self._driver.kill()
            raise
        self._url += f"/session/{session}"
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        try:
            requests.delete(self._url, timeout=WAIT_S)
        finally:
            self._driver.kill()
            self._driver.wait()

    def open(self, url: str) -> None:
        """Navigate to `url` and wait until the page is loaded."""
        self._ask("url", {"url": url})

    def run(self, script: str, *arguments: object) -> Any:
        """Run `script` as the body of a function in the page and return its result."""
        return self._ask("execute/sync", {"script": script, "args": arguments})

    def wait(self, script: str, *arguments: object) -> Any:
        """Run `script` repeatedly until its result is true, and return that result."""
        found: list[Any] = []

        def look() -> bool:
            found[:] = [self.run(script, *arguments)]
            return bool(found[0])

        assert becomes_true(look, WAIT_S), f"not true within {WAIT_S} s: {script} {arguments}"
        return found[0]

    def press(self, keys: str) -> None:
        """Press and release keys, of which those above U+E000 are special (WebDriver, 17.4.2)."""
        actions = [{"type": kind, "value": key} for key in keys for kind in ("keyDown", "keyUp")]
        self._ask("actions", {"actions": [{"type": "key", "id": "keyboard", "actions": actions}]})

    def complaints(self) -> list[str]:
        """Console messages since the last call, including violations of the content security policy."""
        return [each["message"] for each in self._ask("se/log", {"type": "browser"})]

    def _answers(self) -> bool:
        try:
            return requests.get(f"{self._url}/status", timeout=WAIT_S).ok
        except requests.ConnectionError:
            return False

    def _ask(self, command: str, body: dict[str, Any]) -> Any:
        answer = requests.post(f"{self._url}/{command}", json=body, timeout=WAIT_S).json()["value"]
        if isinstance(answer, dict) and "error" in answer:
            raise AssertionError(answer["message"])
        return answer
