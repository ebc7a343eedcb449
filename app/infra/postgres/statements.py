"""SQL statements that PgBouncer may have prepared on its server connections."""

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

    A `readonly` statement may be repeated after a lost connection. The name that the server knows ends in a hash of
    the content, so that two versions of the service never run each other's statements. Comments (`--`) are refused,
    because the text has to fit on one line of PgBouncer's ini file.
    """

    name: str
    types: tuple[str, ...]
    sql: str
    readonly: bool = False

    def __post_init__(self) -> None:
        """Raise ValueError for what could not be prepared."""
        used = {int(number) for number in _PARAMETER.findall(self.sql)}
        if used != set(range(1, len(self.types) + 1)):
            raise ValueError(f"{self.name}: the parameters of the text and the types do not match")
        if "--" in self.sql:
            raise ValueError(f"{self.name}: a comment would swallow the rest of the line")

    @cached_property
    def server_name(self) -> str:
        """The name under which the server has it."""
        content = "\0".join((self.name, *self.types, self._line))
        return f"{self.name}_{hashlib.sha256(content.encode()).hexdigest()[:8]}"

    @cached_property
    def prepare(self) -> str:
        """What PgBouncer's `connect_query` says to each new server connection."""
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
        """A cast gives a parameter the type that PREPARE would give it."""
        number = int(match[1])
        return f"CAST(%(p{number})s AS {self.types[number - 1]})"


class Preparation:
    """Several statements as one function of the database, which prepares them in the session that calls it.

    PgBouncer hangs on a `connect_query` of more than some 500 bytes (seen with 1.18), so that it has room for the call
    alone. The function is named by its content: pods of two versions each find their own.
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
        """What PgBouncer says to each new server connection.

        PgBouncer logs a failure and goes on, so that a standby has to end the connection itself: sessions that have
        ended live on there for as long as it lags. A demoted primary ends all its connections, so that no connection
        outlives the answer.
        """
        return f"{REFUSE_STANDBY}; SELECT {self.name}()"
