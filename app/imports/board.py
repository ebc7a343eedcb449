"""The services of imports, joined for one process."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass

from app.coherence import Coherence
from app.imports.runs import FeedRuns
from app.imports.service import Importer
from app.imports.store import ImportStore
from app.infra.postgres.database import Database
from app.jobs.bulk.service import BulkWriter


@dataclass(frozen=True, slots=True)
class Imports:
    """What resources, the ticker and the command use."""

    importer: Importer
    runs: FeedRuns
    store: ImportStore
    collecting: Callable[[], AbstractContextManager[Callable[[], None]]]


def import_services(database: Database, coherence: Coherence, writer: BulkWriter) -> Imports:
    store = ImportStore(database)
    importer = Importer(store, writer, coherence)
    return Imports(importer, FeedRuns(store, importer, writer), store, writer.collecting)
