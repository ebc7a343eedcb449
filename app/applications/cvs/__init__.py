"""CVs: one PDF for each application, stored in PostgreSQL and never opened or rendered by the service."""
