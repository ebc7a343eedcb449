"""The services of imports, joined for one process."""

from dataclasses import dataclass

from app.coherence import Coherence
from app.imports.runs import FeedRuns
from app.imports.service import Importer
from app.imports.store import ImportStore
from app.infra.postgres.database import Database
from app.jobs.bulk.service import BulkWriter
from app.jobs.bulk.words.store import WordIndex


@dataclass(frozen=True, slots=True)
class Imports:
    """What resources, the ticker and the command use."""

    importer: Importer
    runs: FeedRuns
    store: ImportStore
    words: WordIndex

    def settle_words(self) -> None:
        """Have the index of words take entries at once again, if a killed command has left it collecting them."""
        if self.words.collects() and not self.store.is_fed():
            self.words.stop_collecting()


def import_services(database: Database, coherence: Coherence, writer: BulkWriter) -> Imports:
    store = ImportStore(database)
    importer = Importer(store, writer, coherence)
    return Imports(importer, FeedRuns(store, importer, writer), store, writer.words)
