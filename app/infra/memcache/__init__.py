"""The shared cache: memcached clients."""
