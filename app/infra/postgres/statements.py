"""SQL statements that can be prepared on PgBouncer's server connections."""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

REFUSE_STANDBY = "SELECT pg_terminate_backend(pg_backend_pid()) WHERE pg_is_in_recovery()"
_PARAMETER = re.compile(r"\$(\d+)")


@dataclass(frozen=True)
class Statement:
    """`sql` numbers its parameters $1..$n, `types` are their PostgreSQL types.

    A `readonly` statement is retried after a lost connection. `server_name` ends in a hash of the content, so that two
    versions of the service never run each other's statements. Comments (`--`) are refused,
    because the text has to fit on one line of PgBouncer's ini file.
    """

    name: str
    types: tuple[str, ...]
    sql: str
    readonly: bool = False

    def __post_init__(self) -> None:
        """Raise ValueError for a statement that cannot be prepared."""
        used = {int(number) for number in _PARAMETER.findall(self.sql)}
        if used != set(range(1, len(self.types) + 1)):
            raise ValueError(f"{self.name}: the parameters in the text do not match the types")
        if "--" in self.sql:
            raise ValueError(f"{self.name}: comments are not allowed, as the statement is sent as one line")

    @cached_property
    def server_name(self) -> str:
        """The name of the prepared statement on the server."""
        content = "\0".join((self.name, *self.types, self._line))
        return f"{self.name}_{hashlib.sha256(content.encode()).hexdigest()[:8]}"

    @cached_property
    def prepare(self) -> str:
        """The PREPARE statement."""
        types = f" ({', '.join(self.types)})" if self.types else ""
        return f"PREPARE {self.server_name}{types} AS {self._line}"

    @cached_property
    def execute(self) -> str:
        """The prepared form for psycopg2, with one `%s` for each parameter."""
        values = f"({', '.join(['%s'] * len(self.types))})" if self.types else ""
        return f"EXECUTE {self.server_name}{values}"

    @cached_property
    def plain(self) -> str:
        """The same statement for psycopg2 without preparation, with parameters named p1 to pn."""
        return _PARAMETER.sub(self._cast, self.sql.replace("%", "%%")) if self.types else self.sql

    @staticmethod
    def named(params: Sequence[Any]) -> dict[str, Any] | None:
        """The parameters of the plain form."""
        return {f"p{number}": value for number, value in enumerate(params, 1)} or None

    @property
    def _line(self) -> str:
        return " ".join(line.strip() for line in self.sql.strip().splitlines())

    def _cast(self, match: re.Match[str]) -> str:
        """Cast the parameter to the type that PREPARE would give it."""
        number = int(match[1])
        return f"CAST(%(p{number})s AS {self.types[number - 1]})"


class Preparation:
    """Several statements as one function of the database, which prepares them in the session that calls it.

    PgBouncer hangs on a `connect_query` of more than about 500 bytes (seen with 1.18), so that it only calls this
    function. Its name contains a hash of its content, so that pods of two versions each call their own.
    """

    def __init__(self, statements: Sequence[Statement]) -> None:
        self.statements = tuple(statements)
        body = "\n".join(f"EXECUTE $statement${each.prepare}$statement$;" for each in self.statements)
        self.name = f"prepare_{hashlib.sha256(body.encode()).hexdigest()[:16]}"
        self.create = (
            f"CREATE OR REPLACE FUNCTION {self.name}() RETURNS void LANGUAGE plpgsql AS $body$\n"
            f"BEGIN\n{body}\nEND\n$body$"
        )

    @property
    def connect_query(self) -> str:
        """The SQL that PgBouncer runs on each new server connection.

        Standbys must be refused, because ended sessions are still valid there for as long as replication lags. An error
        would not do: PgBouncer logs it and goes on. So the backend terminates itself. No later check is needed, because
        a demoted primary closes all its connections.
        """
        return f"{REFUSE_STANDBY}; SELECT {self.name}()"
