"""The statements of pages of results."""
