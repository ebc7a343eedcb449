"""Digests: one mail to an account about what its saved searches newly match."""
