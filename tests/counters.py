"""Counters of one process for tests of parts that count."""


class Counts(dict[str, float]):
    """Stands for `app.infra.metrics.counters.Counters`, by name; not exact with several threads."""

    def add(self, name: str, n: int = 1) -> None:
        self[name] = self.get(name, 0) + n

    def place(self, name: str) -> str:
        self.setdefault(name, 0)
        return name

    @property
    def cells(self) -> dict[str, float]:
        return self
