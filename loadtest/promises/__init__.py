"""`make bench-promises`: what the replaced system's documentation promised, each promise measured here."""
