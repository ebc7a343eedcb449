"""Facts and ended sessions, in this process and in memcached."""
