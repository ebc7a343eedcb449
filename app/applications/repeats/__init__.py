"""Requests with an Idempotency-Key: a repeated one gets the answer of the first."""
