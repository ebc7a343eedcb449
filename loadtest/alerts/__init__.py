"""Matching of saved searches: what one posting costs, batches, and adding a search."""
