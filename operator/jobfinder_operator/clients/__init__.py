"""Kubernetes, PgBouncer, memcached and the service, as the operator talks to them."""
