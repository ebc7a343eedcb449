"""The conditions of a search in SQL."""
