"""Compares the CPU time per request of this checkout with that of an earlier commit."""
