"""How often each thing is done in a soak test, as follows from its length."""

from dataclasses import dataclass

LEAST_HOURS = 0.02


@dataclass(frozen=True, slots=True)
class Schedule:
    """A test of `seconds` with `rate` requests a second, besides what is done from time to time."""

    seconds: float
    rate: float

    @property
    def warm_up_s(self) -> float:
        """The first fifth, in which caches and pools fill."""
        return self.seconds / 5

    @property
    def sample_every_s(self) -> float:
        return max(2.0, self.seconds / 300)

    @property
    def window_s(self) -> float:
        """The time of which each point of a latency is the percentile."""
        return max(6.0, self.seconds / 100)

    @property
    def token_s(self) -> int:
        """How long an access token is valid: tokens expire, and keys are retired, many times in each test."""
        return int(min(max(self.seconds / 8, 40.0), 900.0))

    @property
    def tune_every_s(self) -> float:
        return max(10.0, self.seconds / 40)

    @property
    def import_every_s(self) -> float:
        return max(20.0, self.seconds / 24)
