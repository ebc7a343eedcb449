"""The load's SQL statement: it keeps a server connection busy, and returns when it started."""

from typing import Any

HOLD = """
    SELECT extract(epoch FROM clock_timestamp()), pg_sleep(%s)
"""


def hold(cursor: Any, seconds: float) -> float:
    """Keep the server connection busy for `seconds`; returns the Unix time at which PostgreSQL started."""
    cursor.execute(HOLD, (seconds,))
    return float(cursor.fetchone()[0])
