"""The HTTP layer that all domains share: bodies, validation, session check, limits, errors and measurement."""
