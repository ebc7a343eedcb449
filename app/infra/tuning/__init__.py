"""The live settings and their bounds."""
