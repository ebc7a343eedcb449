"""What this machine or container has, and what of it is used."""
