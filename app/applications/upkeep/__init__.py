"""Upkeep: applications for jobs that ended long ago are removed, in small batches."""
