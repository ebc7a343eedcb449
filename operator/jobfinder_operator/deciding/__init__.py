"""Decisions from a snapshot: pure functions without clock, cluster or network."""
