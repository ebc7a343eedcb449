"""Companies: who offers jobs, and the accounts that act for them."""
