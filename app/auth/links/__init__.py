"""Links that mails bring: random, for one purpose, account and address, usable once and for a time."""
