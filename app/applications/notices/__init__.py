"""Mails about applications: to the candidate, and to members of the company."""
