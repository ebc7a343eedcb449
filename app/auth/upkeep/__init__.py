"""Upkeep: deletes expired rows in small batches, in the background."""
