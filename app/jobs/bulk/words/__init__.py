"""The index of words while many postings are written."""
