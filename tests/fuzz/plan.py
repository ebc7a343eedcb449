"""One run of the fuzzer, with checks before, during and after."""

import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.fuzz.client import Campaign, Tally
from tests.fuzz.process import Broken, Fuzzed

SETTINGS: dict[str, Any] = {
    "header_timeout": 0.5,
    "body_timeout": 0.5,
    "keepalive": 1,
    "graceful_timeout": 10,
    "timeout": 60,
}


@dataclass(frozen=True)
class Plan:
    """The cases of `seed` from number `first` on, until `cases` or `seconds` are reached."""

    seed: int
    first: int = 0
    cases: float = float("inf")
    seconds: float = float("inf")

    def play(self, folder: Path, environment: Mapping[str, str]) -> dict[str, Any]:
        """Run and return a report; the service's log goes to `folder`. Raises Broken."""
        with Fuzzed(folder, environment, **SETTINGS) as service:
            before = service.quiet_state()
            started = time.monotonic()
            tally = Campaign(service.address, self.seed, self.first).run(_Watch(self, service).done)
            service.check()
            after = service.quiet_state()
            if tally.wrong:
                raise Broken(f"wrong answers: {tally.wrong}")
            if (after["pid"], after["descriptors"]) != (before["pid"], before["descriptors"]):
                raise Broken(f"{before} before, {after} after")
        return {
            "seed": self.seed,
            "cases": tally.cases,
            "connections": tally.connections,
            "responses": tally.answers,
            "received_mb": tally.received // 1_000_000,
            "sound requests judged": tally.canaries,
            "seconds": round(time.monotonic() - started),
            "served": after["served"],
            "failures": after["failures"],
            "given from kept answers": after["answers"]["given"],
        }


class _Watch:
    """Checks the service once a second, and decides when the plan is done."""

    def __init__(self, plan: Plan, service: Fuzzed) -> None:
        self._plan, self._service = plan, service
        self._started = self._looked = time.monotonic()

    def done(self, tally: Tally) -> bool:
        now = time.monotonic()
        if now > self._looked + 1:
            self._looked = now
            self._service.check()
            if sys.stderr.isatty():
                sys.stderr.write(f"\r{tally.cases:,} cases ")
        return bool(tally.wrong) or tally.cases >= self._plan.cases or now > self._started + self._plan.seconds
