"""Texts of postings: cleaned, told apart by language, and cut into words."""
