"""Imports a file as a full feed, in parts, and commits it."""

from collections import Counter, deque
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from itertools import count, islice
from pathlib import Path
from threading import Event, Thread

from app.errors import Unavailable
from app.imports.board import Imports
from app.imports.files import read_file
from app.imports.lines import Line, lines_of
from app.imports.schemas import LineReport, Run
from app.imports.store import SILENT_COMMAND_S

PART = 1_000
AT_ONCE = 2
"""Parts under way at a time, so that one is prepared while the database writes the other."""

MERGE_EVERY = 5
"""Parts after which collected entries are merged into the index of words."""

RENEW_EVERY_S = 10.0


@dataclass
class Progress:
    """How far a file has been read, and what became of its lines."""

    bytes_read: int = 0
    lines: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    refused: list[LineReport] = field(default_factory=list)


REFUSED_SHOWN = 100


def feed(
    imports: Imports, of: tuple[int, str], path: Path, report: Callable[[Progress], None], *, force: bool = False
) -> Run:  # fmt: skip
    """Import the file at `path` for `of`, a company's id and the name of a source; returns the committed run.

    If the file cannot be read to its end, nothing is closed, and the run is ended. Raises Truncated, RunUnderWay,
    MassClose, NotFinal or Unavailable.
    """
    company_id, source = of
    run = imports.runs.start(company_id, source, SILENT_COMMAND_S)
    try:
        with _renewed(partial(imports.store.renew, run.id)):
            _import(imports, of, run.id, path, report)
            return imports.runs.commit(company_id, source, run.id, force=force, chunk=PART)
    except BaseException:
        imports.runs.end(company_id, source, run.id)
        raise


@contextmanager
def _renewed(renew: Callable[[], None]) -> Iterator[None]:
    """Renew the run meanwhile, also while nothing is written: a part may wait for the database, or the file be slow."""
    over = Event()

    def go_on() -> None:
        while not over.wait(RENEW_EVERY_S):
            with suppress(Unavailable):
                renew()

    thread = Thread(target=go_on, name="renewal of the run", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


@dataclass(frozen=True, slots=True)
class _Part:
    """Lines, and how far the file has been read."""

    lines: list[Line]
    read: int
    bytes_read: int

    @property
    def names(self) -> set[str]:
        return {line.external_id for line in self.lines if line.external_id}


def _import(
    imports: Imports, of: tuple[int, str], run_id: int, path: Path, report: Callable[[Progress], None]
) -> None:  # fmt: skip
    progress = Progress()
    add = partial(imports.runs.add, *of, run_id, chunk=PART)
    with imports.words.collecting() as merge, closing(_added(_parts(read_file(path)), add)) as added:
        for number, (part, reports) in zip(count(1), added, strict=False):
            for each in reports:
                progress.outcomes[each.status] += 1
                if each.status == "refused" and len(progress.refused) < REFUSED_SHOWN:
                    progress.refused.append(each)
            progress.lines, progress.bytes_read = part.read, part.bytes_read
            report(progress)
            if number % MERGE_EVERY == 0:
                merge()


def _added(
    parts: Iterator[_Part], add: Callable[..., list[LineReport]]
) -> Generator[tuple[_Part, list[LineReport]], None, None]:  # fmt: skip
    """Each part with its reports, in their order. Parts that name the same posting are never under way together."""
    under_way: deque[tuple[_Part, Future[list[LineReport]]]] = deque()
    with ThreadPoolExecutor(AT_ONCE) as threads:
        for part in parts:
            names = part.names
            while len(under_way) == AT_ONCE or any(not names.isdisjoint(other.names) for other, _ in under_way):
                yield _ended(*under_way.popleft())
            under_way.append((part, threads.submit(add, lines=part.lines)))
        while under_way:
            yield _ended(*under_way.popleft())


def _ended(part: _Part, adding: Future[list[LineReport]]) -> tuple[_Part, list[LineReport]]:
    return part, adding.result()


def _parts(found: Iterator[tuple[int, bytes]]) -> Iterator[_Part]:
    read = 0
    while several := list(islice(found, PART)):
        lines = list(lines_of((raw for _, raw in several), read + 1))
        read += len(several)
        yield _Part(lines, read, several[-1][0])
