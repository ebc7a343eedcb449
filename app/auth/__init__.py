"""Accounts and sessions: register, log in, refresh, log out, and the session check of each request."""
