"""Taking postings down, as administrators do."""
