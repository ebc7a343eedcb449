"""SQL that fills a database with made-up companies and postings."""

from collections.abc import Sequence

from app.infra.postgres.database import Database
from app.local.seed.companies import Company
from app.local.seed.rows import Rows

BULK = """
SELECT set_config('jobfinder.bulk', 'on', true), set_config('statement_timeout', '60s', true),
       set_config('gin_pending_list_limit', '64MB', true)
"""

FIND_TAKEN = "SELECT slug FROM companies WHERE slug = ANY (%s) LIMIT 1"

INSERT_COMPANIES = """
INSERT INTO companies (slug, name, country, verified)
SELECT * FROM unnest(%s::text[], %s::text[], %s::text[], %s::boolean[])
RETURNING slug, id
"""

INSERT_OWNERS = """
INSERT INTO company_members (company_id, user_id, role)
SELECT owned.id, users.id, 'owner'
  FROM unnest(%s::bigint[], %s::citext[]) AS owned (id, email) JOIN users ON users.email = owned.email
"""

RESERVE_IDS = "SELECT nextval(pg_get_serial_sequence(%s, 'id')) FROM generate_series(1, %s)"

COPY_CLUSTERS = "COPY posting_cluster (id, company_id, fingerprint) FROM STDIN"

COPY_POSTINGS = """
COPY posting (id, company_id, cluster_id, state, shown, siblings, version, published_at, valid_through, first_seen_at,
              content_changed_at, salary, salary_rates_of, lats, lons, terms, title_tsv, body_tsv) FROM STDIN
"""

COPY_TEXTS = "COPY posting_text (posting_id, title, description, detail) FROM STDIN"

INSERT_KEYS = "INSERT INTO outbox (key) SELECT unnest(%s::text[]) RETURNING pg_current_xact_id()::text"

TIME_TO_ANALYZE = "SELECT set_config('statement_timeout', '600s', true)"
ANALYZE = "ANALYZE posting, posting_text, posting_cluster, companies, company_members"


class SeedStore:
    """Each method is one transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def taken(self, companies: Sequence[Company]) -> bool:
        """Whether one of them is there already."""
        return self._database.one(FIND_TAKEN, [each.slug for each in companies]) is not None

    def add_companies(self, companies: Sequence[Company], owners: Sequence[str]) -> list[int]:
        """Their ids; `owners` are the addresses of accounts, one for each company."""
        with self._database.transaction() as transaction:
            rows = ((each.slug, each.name, each.country.code, each.verified) for each in companies)
            ids: dict[str, int] = dict(transaction.all(INSERT_COMPANIES, *map(list, zip(*rows, strict=True))))
            found = [ids[each.slug] for each in companies]
            transaction.run(INSERT_OWNERS, found, list(owners))
        return found

    def reserve(self, table: str, many: int) -> list[int]:
        """Ids for new rows, rising."""
        return sorted(row[0] for row in self._database.all(RESERVE_IDS, table, many))

    def add(self, rows: Rows, keys: Sequence[str]) -> str:
        """Returns the transaction's id; `keys` are those of searches that may find one of the postings."""
        with self._database.transaction() as transaction:
            transaction.one(BULK)
            transaction.copy(COPY_CLUSTERS, rows.clusters)
            transaction.copy(COPY_POSTINGS, rows.postings)
            transaction.copy(COPY_TEXTS, rows.texts)
            return str(transaction.all(INSERT_KEYS, list(keys))[0][0])

    def analyze(self) -> None:
        with self._database.transaction() as transaction:
            transaction.one(TIME_TO_ANALYZE)
            transaction.run(ANALYZE)
