"""Many postings of one company written at once, as imports do, with the same result as one change after another."""
