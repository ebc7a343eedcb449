"""Postings: what companies offer, how it is written down to be found, and the search."""
