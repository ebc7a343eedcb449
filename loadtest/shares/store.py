"""The statement of the load: it holds a server connection for a while, and tells when it got it."""

from typing import Any

HOLD = """
    SELECT extract(epoch FROM clock_timestamp()), pg_sleep(%s)
"""


def hold(cursor: Any, seconds: float) -> float:
    """The time (Unix) at which PostgreSQL began to run it; it then takes so many seconds."""
    cursor.execute(HOLD, (seconds,))
    return float(cursor.fetchone()[0])
