"""Decisions from what was seen: no clock, no cluster, no network."""
