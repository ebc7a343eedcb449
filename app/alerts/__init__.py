"""Saved searches: criteria that an account keeps, to look again for what is new."""
