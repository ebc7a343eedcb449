"""Users: the profile that its owner edits, and the public part that other users see."""
