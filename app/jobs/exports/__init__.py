"""Open postings as they are in the database now, past all caches, for feeds that go out."""
