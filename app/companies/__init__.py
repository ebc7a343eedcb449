"""Companies that offer jobs, and the accounts that are their members."""
