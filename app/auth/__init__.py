"""Accounts and sessions: register, log in, refresh, log out, and the check that admits a request."""
