"""Clients of Kubernetes, PgBouncer, memcached and the service's metrics."""
