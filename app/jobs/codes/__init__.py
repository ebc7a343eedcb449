"""What values mean: codes of ISO, places, salaries, and the numbers that the index has for them."""
