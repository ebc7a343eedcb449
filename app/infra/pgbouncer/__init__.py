"""PgBouncer: its configuration, its reloads and its console statistics."""
