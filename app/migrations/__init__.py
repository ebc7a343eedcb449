"""The database's schema: Alembic runs the revisions in `versions`, each of them plain SQL."""
