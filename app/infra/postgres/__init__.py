"""PostgreSQL: connections, statements, errors and migrations."""
