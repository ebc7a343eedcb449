"""Fills a database with made-up users, companies and postings, the same ones for the same number."""
