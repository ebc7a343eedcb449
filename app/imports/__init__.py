"""Imports of postings from the systems of companies: single ones, lines of many, and full feeds."""
