"""The services of postings, joined for one worker."""

from dataclasses import dataclass

from app.coherence import Coherence
from app.companies.service import CompanyService
from app.infra.metrics.counters import Counters
from app.infra.postgres.database import Database
from app.jobs.bulk.service import BulkWriter
from app.jobs.codes.salaries import Rates
from app.jobs.exports.service import Exporter
from app.jobs.exports.store import ExportStore
from app.jobs.query.cursors import Cursors
from app.jobs.query.searching import Searcher
from app.jobs.query.store import QueryStore
from app.jobs.query.suggestions.service import SuggestionService
from app.jobs.query.suggestions.store import SuggestionStore
from app.jobs.searches import SearchService, Sources
from app.jobs.service import JobService
from app.jobs.store import PostingStore
from app.jobs.upkeep.service import Upkeep


@dataclass(frozen=True, slots=True)
class Board:
    """The services that resources and the ticker use."""

    jobs: JobService
    searches: SearchService
    suggestions: SuggestionService
    upkeep: Upkeep
    bulk: BulkWriter
    exports: Exporter


@dataclass(frozen=True, slots=True)
class Common:
    """What all workers have in common: the secret that authenticates cursors, and the exchange rates of salaries."""

    secret: bytes
    rates: Rates


def job_board(
    database: Database, coherence: Coherence, companies: CompanyService, common: Common, counters: Counters
) -> Board:  # fmt: skip
    postings, rates = PostingStore(database), common.rates
    jobs = JobService(postings, coherence, companies, rates)
    sources = Sources(Searcher(QueryStore(database), rates), jobs, postings, coherence.searches, coherence.pages)
    return Board(
        jobs,
        SearchService(sources, Cursors(common.secret), rates, counters),
        SuggestionService(SuggestionStore(database)),
        Upkeep(database, coherence, rates),
        BulkWriter(database, postings, coherence, rates),
        Exporter(ExportStore(database), postings, companies),
    )
