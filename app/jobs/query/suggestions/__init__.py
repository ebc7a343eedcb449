"""Completions of a text while it is typed."""
