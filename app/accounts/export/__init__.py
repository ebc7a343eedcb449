"""Export of everything that is kept about an account."""
