"""Users: the profile that its owner edits and the part of it that others see."""
