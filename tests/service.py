"""The real service as a child process, for tests that talk to it over HTTP."""

import os
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path

from app.local.development import secret_files
from app.local.postgres import free_port
from app.local.process import Command, Server

CHECKOUT = Path(__file__).resolve().parents[1]


class Service(Server):
    """`python -m app serve` on a free port of 127.0.0.1; `variables` are settings of `app/config.py`.

    Services with the same `folder` share their secrets, as the pods of one release do.
    """

    name = "the service"

    def __init__(self, folder: Path, variables: Mapping[str, str]) -> None:
        super().__init__()
        folder.mkdir(parents=True, exist_ok=True)
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = folder / f"service-{self.port}.log"
        own = {"ENVIRONMENT": "development", "PORT": str(self.port), "GRACEFUL_TIMEOUT": "5"}
        path = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
        self.variables = path | own | secret_files(folder) | dict(variables)

    def _command(self) -> Command:
        return Command(
            [sys.executable, "-m", "app", "serve"], log=self.log, environment=self.variables, folder=CHECKOUT
        )

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/api/v1/health/ready", timeout=5) as answer:
                return bool(answer.status == 200)
        except (OSError, urllib.error.HTTPError):
            return False
