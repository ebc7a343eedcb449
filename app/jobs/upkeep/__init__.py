"""Periodic work: expiry, counts for search plans, and comparable salaries."""
