"""The usual GraphQL in Python: strawberry on FastAPI."""
