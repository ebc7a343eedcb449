"""SQL that removes applications that are kept no longer; concurrent workers skip each other's rows."""

from app.infra.postgres.database import Database

# An application is at least as old as the end of its posting, so that the index on its time leaves few to look at.
PRUNE_APPLICATIONS = """
DELETE FROM application WHERE id IN (
    SELECT a.id FROM application a JOIN posting p ON p.id = a.posting_id
     WHERE a.created_at < now() - make_interval(months => %s) AND p.state <> 'open'
       AND COALESCE(p.ended_at, p.valid_through) < now() - make_interval(months => %s)
     ORDER BY a.created_at LIMIT 200 FOR UPDATE OF a SKIP LOCKED)
"""


def prune(database: Database, months: int) -> int:
    """Delete up to 200 applications for jobs that ended so many months ago, with their CVs; returns how many."""
    return database.run(PRUNE_APPLICATIONS, months, months)
