"""Reporting: status, events, metrics, probes."""
