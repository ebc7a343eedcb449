"""What the service uses outside itself: PostgreSQL, PgBouncer, memcached, secrets, files, threads and waiting."""
