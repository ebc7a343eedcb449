"""A standby is refused, directly and through PgBouncer, until it is promoted."""

import time
from collections.abc import Iterator
from pathlib import Path

import psycopg2
import pytest

from app.config import DatabaseTuning
from app.errors import Unavailable
from app.infra.postgres.database import Database
from app.infra.postgres.migrate import migrate
from app.infra.postgres.statements import REFUSE_STANDBY
from app.local.account import hand_over
from app.local.pgbouncer import PgBouncer
from app.local.postgres import Postgres
from app.local.process import Server
from app.main import preparation

QUERY = "SELECT count(*) FROM users"
QUICK = DatabaseTuning(acquire_timeout_ms=1000)


class Standby(Postgres):
    """A server that can become a standby without a primary, so that it never catches up."""

    def demote(self) -> None:
        self.stop()
        signal = self.data / "standby.signal"
        signal.touch()
        hand_over(signal, self._account)
        Server.start(self)

    def promote(self) -> None:
        connection = psycopg2.connect(self.url("postgres", "postgres"))
        with connection, connection.cursor() as cursor:
            cursor.execute("SELECT pg_promote()")
        connection.close()


@pytest.fixture
def standby(open_folder: Path) -> Iterator[Standby]:
    with Standby(open_folder / "standby", durable=False) as server:
        migrate(server.direct_url, preparation())
        yield server


def answers(database: Database) -> bool:
    try:
        return database.one(QUERY) == (0,)
    except Unavailable:
        return False


def test_standby_is_refused_until_it_is_promoted(standby: Standby) -> None:
    connect_query = preparation().connect_query
    with (
        PgBouncer(standby, [connect_query]) as pooler,
        PgBouncer(standby, [connect_query.replace(REFUSE_STANDBY, "")]) as careless,
    ):
        databases = [
            Database(pooler.url, QUICK), Database(standby.direct_url, QUICK, direct=True), Database(careless.url, QUICK)
        ]  # fmt: skip
        pooled, direct, unchecked = databases
        assert all(answers(each) for each in databases)
        standby.demote()
        assert answers(unchecked), "without the check, the standby answers queries"
        assert not answers(pooled)
        assert not answers(direct)
        with pytest.raises(Unavailable):
            migrate(standby.direct_url, preparation())
        standby.promote()
        deadline = time.monotonic() + 20
        while not (answers(pooled) and answers(direct)):
            assert time.monotonic() < deadline
        for each in databases:
            each.close()
