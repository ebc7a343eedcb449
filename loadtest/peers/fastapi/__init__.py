"""The usual asynchronous Python: FastAPI, pydantic, PyJWT and asyncpg on uvicorn with uvloop and httptools."""
