"""The HTTP edge that every domain shares: reading, validating, admitting, failing, measuring."""
