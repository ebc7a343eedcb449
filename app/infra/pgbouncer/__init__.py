"""PgBouncer: its configuration, and what it tells on its console."""
