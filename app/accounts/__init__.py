"""Accounts by mail: proof of an address, its change, recovery of a password, invitations, and the pages for these."""
