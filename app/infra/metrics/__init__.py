"""Counters shared by all workers of a pod, and their Prometheus output."""
