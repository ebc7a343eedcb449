"""SQL of CVs; each belongs to one application and goes with it.

A CV is written and read in parts: a statement with all of it would need several times its size in memory, and keep
a worker from other requests for tens of milliseconds.
"""

from app.applications.schemas import Cv
from app.infra.postgres.database import Database, Transaction
from app.users.store import utc

PART_BYTES = 512 * 1024

PUT_CV = """
INSERT INTO application_cv (application_id, bytes) VALUES (%s, %s)
    ON CONFLICT (application_id) DO UPDATE SET bytes = EXCLUDED.bytes, at = now()
"""

DROP_PARTS = "DELETE FROM application_cv_part WHERE application_id = %s"

PUT_PART = "INSERT INTO application_cv_part (application_id, part, pdf) VALUES (%s, %s, %s)"

DESCRIBE_CV = "SELECT bytes, at FROM application_cv WHERE application_id = %s"

LOCK_CV = "SELECT bytes FROM application_cv WHERE application_id = %s FOR SHARE"

READ_PART = "SELECT pdf FROM application_cv_part WHERE application_id = %s AND part = %s"


def put(transaction: Transaction, application_id: int, pdf: bytes) -> None:
    """Store the CV of an application in place of the one before."""
    transaction.run(PUT_CV, application_id, len(pdf))
    transaction.run(DROP_PARTS, application_id)
    for part, begin in enumerate(range(0, len(pdf), PART_BYTES)):
        transaction.run(PUT_PART, application_id, part, pdf[begin : begin + PART_BYTES])


def describe(database: Database | Transaction, application_id: int) -> Cv | None:
    """Size and time of an application's CV, without its content."""
    row = database.one(DESCRIBE_CV, application_id)
    return None if row is None else Cv(row[0], utc(row[1]))


def read(transaction: Transaction, application_id: int) -> bytes | None:
    """The whole CV, which cannot be replaced meanwhile."""
    row = transaction.one(LOCK_CV, application_id)
    if row is None:
        return None
    pdf = bytearray()
    for part in range(-(-row[0] // PART_BYTES)):
        (content,) = transaction.all(READ_PART, application_id, part)
        pdf += content[0]
    return bytes(pdf)
