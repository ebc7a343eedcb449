"""A service in its own process group, for the fuzzer and the leak checks."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

ROOT = Path(__file__).parents[2]
PROGRAM = Path(__file__).with_name("service.py")
PATIENCE_S = 60.0
REPORT = re.compile(r"AddressSanitizer|runtime error:|stack smashing|Fatal Python error|Segmentation")


class Broken(AssertionError):
    """The worker died or hangs, or a sanitizer reported an error."""


class Fuzzed:
    """The running service; `environment` extends that of this process, `settings` are fields of `Settings`."""

    def __init__(self, folder: Path, environment: Mapping[str, str], **settings: Any) -> None:
        self._log = folder / "service.log"
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, str(PROGRAM), json.dumps({"worker": "meinheld", "port": 0, "workers": 1} | settings)],
                stdout=log,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
                start_new_session=True,
            )

    def __enter__(self) -> Self:
        try:
            self.address = self._address()
            self.pid = int(self.state()["pid"])
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()
        if kind is None and REPORT.search(self.log()):
            raise Broken(self.log()[-20_000:])

    def _address(self) -> tuple[str, int]:
        end = time.monotonic() + PATIENCE_S
        while not (found := re.search(r"Listening at: http://([\d.]+):(\d+)", self.log())):
            if self._process.poll() is not None or time.monotonic() > end:
                raise Broken(self.log())
            time.sleep(0.05)
        return found[1], int(found[2])

    def stop(self) -> None:
        """Stop the service; raises TimeoutExpired if it had to be killed."""
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            raise

    def log(self) -> str:
        return self._log.read_text(errors="replace")

    def check(self) -> None:
        """Raises Broken if the worker has died or a sanitizer reported an error."""
        if not Path(f"/proc/{self.pid}").exists() or REPORT.search(self.log()):
            raise Broken(self.log()[-20_000:])

    def ask(self, data: bytes) -> bytes:
        """The bytes that the server sends until it closes the connection."""
        with socket.create_connection(self.address, PATIENCE_S) as connection:
            connection.sendall(data)
            parts = []
            while part := connection.recv(1 << 20):
                parts.append(part)
        return b"".join(parts)

    def state(self) -> dict[str, Any]:
        """See `service.state`; raises Broken without a response."""
        try:
            answer = self.ask(b"GET /state HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n")
            found: dict[str, Any] = json.loads(answer.partition(b"\r\n\r\n")[2])
        except (OSError, ValueError) as error:
            raise Broken(f"{error!r}\n{self.log()[-20_000:]}") from error
        return found

    def quiet_state(self) -> dict[str, Any]:
        """The state when no connection but this one is open."""
        end = time.monotonic() + PATIENCE_S
        while (found := self.state())["clients"] > 1:
            if time.monotonic() > end:
                raise Broken(f"{found['clients']} connections stay open")
            time.sleep(0.1)
        return found

    def memory_kb(self) -> int:
        """The resident memory of the worker."""
        text = Path(f"/proc/{self.pid}/status").read_text()
        found = re.search(r"VmRSS:\s+(\d+) kB", text)
        assert found is not None
        return int(found[1])
