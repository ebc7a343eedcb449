"""The outside world: PostgreSQL, memcached, keys, files, threads, and how to wait for them."""
