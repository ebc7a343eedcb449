"""Counters that all workers of a pod share, and how they are shown."""
