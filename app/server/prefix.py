"""A path prefix, which an ingress may pass on or strip; the application sees it as WSGI's SCRIPT_NAME."""

from collections.abc import Iterable

from app.server.bodies import BodyLimit
from app.server.framing import Application, Environ, StartResponse


def under_prefix(application: Application, prefix: str) -> Application:
    """Strip `prefix` from the path if present, and set SCRIPT_NAME for links; no overhead without a prefix."""
    if not prefix:
        return application

    def call(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        environ["SCRIPT_NAME"] = prefix
        environ["PATH_INFO"] = without_prefix(environ["PATH_INFO"], prefix)
        return application(environ, start_response)

    return call


def limit_under_prefix(body_limit: BodyLimit, prefix: str) -> BodyLimit:
    """The same limits for the paths that begin with `prefix`."""
    return (lambda method, path: body_limit(method, without_prefix(path, prefix))) if prefix else body_limit


def without_prefix(path: str, prefix: str) -> str:
    """`path` without the prefix, as the application sees it."""
    if path == prefix or path.startswith(f"{prefix}/"):
        return path[len(prefix) :] or "/"
    return path
