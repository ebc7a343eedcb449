"""Who gets the mails about an account."""
