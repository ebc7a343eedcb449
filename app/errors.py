"""Product errors: the failures that clients of the API see; only `web/errors.py` converts them to HTTP."""

from functools import lru_cache
from typing import ClassVar


class ProductError(Exception):
    """A failure that the client receives as a problem document (RFC 9457).

    `code` is stable and meant for programs, `title` for people. The message given to the constructor, if any, is the
    problem's `detail`.
    """

    status: ClassVar[int] = 500
    code: ClassVar[str] = "internal"
    title: ClassVar[str] = "Internal error"

    @property
    def detail(self) -> str:
        return str(self.args[0]) if self.args else ""

    def headers(self) -> dict[str, str]:
        """Response headers that belong to this error."""
        return {}


class BadRequest(ProductError):
    """The request itself cannot be understood."""

    status, code, title = 400, "bad_request", "The request cannot be understood"


class Unauthenticated(ProductError):
    """There is no token, or the credentials are not valid (RFC 6750)."""

    status, code, title = 401, "unauthenticated", "A valid access token is required"

    def headers(self) -> dict[str, str]:
        return {"WWW-Authenticate": 'Bearer realm="jobfinder"'}


class InvalidToken(Unauthenticated):
    """The token is malformed, expired or revoked."""

    code, title = "invalid_token", "The token is not valid"

    def headers(self) -> dict[str, str]:
        return {"WWW-Authenticate": 'Bearer realm="jobfinder", error="invalid_token"'}


class WrongCredentials(Unauthenticated):
    """The address or the password is wrong; the response does not say which."""

    code, title = "wrong_credentials", "The address or the password is wrong"


class Forbidden(ProductError):
    """The caller is known and may not do this."""

    status, code, title = 403, "forbidden", "This is not allowed"


class NotFound(ProductError):
    """The resource does not exist, or the caller may not see it."""

    status, code, title = 404, "not_found", "Not found"


class Conflict(ProductError):
    """The request contradicts what is stored."""

    status, code, title = 409, "conflict", "The request contradicts what is stored"


class Gone(ProductError):
    """The resource was public and no longer exists."""

    status, code, title = 410, "gone", "The resource no longer exists"


class PreconditionFailed(ProductError):
    """A condition such as `If-Match` does not hold for the current version (RFC 9110, 13.1)."""

    status, code, title = 412, "precondition_failed", "The resource has changed"


class UnsupportedMediaType(ProductError):
    """The media type or content coding of the body is not accepted; the headers in `accepted` name accepted ones."""

    status, code, title = 415, "unsupported_media_type", "The body must have another media type"

    def __init__(self, detail: str, accepted: dict[str, str]) -> None:
        super().__init__(detail)
        self._accepted = accepted

    def headers(self) -> dict[str, str]:
        return self._accepted


class FieldError:
    """One invalid field: `field` is its name (dots for nesting), `code` is stable, `message` is for people.

    `did_you_mean` is the known name or value that is spelled most like it.
    """

    __slots__ = ("code", "did_you_mean", "field", "message")

    def __init__(self, field: str, code: str, message: str, did_you_mean: str | None = None) -> None:
        self.field, self.code, self.message, self.did_you_mean = field, code, message, did_you_mean


FIELDS_MAX = 20
"""Most invalid fields that a response names, so that a client cannot make it arbitrarily large."""


class Invalid(ProductError):
    """The body is well-formed JSON with invalid fields; the response names the first FIELDS_MAX and counts all."""

    status, code, title = 422, "invalid", "Some fields are not valid"

    def __init__(self, fields: list[FieldError], count: int | None = None) -> None:
        """`count` is the number of all invalid fields, if `fields` does not have all of them."""
        self.fields = fields[:FIELDS_MAX]
        self.count = len(fields) if count is None else count
        super().__init__(", ".join(f"{f.field}: {f.message}" for f in self.fields))


@lru_cache
def rate_limit_policy(policy: str, limit: int, window_seconds: int) -> str:
    """The value of RateLimit-Policy (draft-ietf-httpapi-ratelimit-headers-10)."""
    return f'"{policy}";q={limit};w={window_seconds}'


def rate_limit(policy: str, left: int, resets_in: int) -> str:
    """The value of RateLimit (draft-ietf-httpapi-ratelimit-headers-10)."""
    return f'"{policy}";r={left};t={resets_in}'


class RateLimited(ProductError):
    """A rate limit is reached; `resets_in` is the number of seconds until it resets."""

    status, code, title = 429, "rate_limited", "Too many requests"

    def __init__(self, policy: str, limit: int, window_seconds: int, resets_in: int) -> None:
        super().__init__(f"The limit is {limit} in {window_seconds} s; try again in {resets_in} s")
        self.policy, self.limit, self.window_seconds, self.resets_in = (
            policy,
            limit,
            window_seconds,
            resets_in,
        )

    def headers(self) -> dict[str, str]:
        """Retry-After, RateLimit-Policy and RateLimit."""
        policy = rate_limit_policy(self.policy, self.limit, self.window_seconds)
        state = rate_limit(self.policy, 0, self.resets_in)
        return {"Retry-After": str(self.resets_in), "RateLimit-Policy": policy, "RateLimit": state}


class Unavailable(ProductError):
    """A dependency does not answer in time; `retry_after` is in seconds."""

    status, code, title = 503, "unavailable", "Try again later"

    def __init__(self, detail: str = "", retry_after: int = 1) -> None:
        super().__init__(detail)
        self.retry_after = retry_after

    def headers(self) -> dict[str, str]:
        return {"Retry-After": str(self.retry_after)}


class NotFinal(Unavailable):
    """The change is stored, but a worker may not know it yet."""

    code, title = "not_final", "The change is stored but not yet final; repeat the request"


class WrongLog(Unavailable):
    """This process is configured with another log of changes than the database uses; other processes may serve."""

    code, title = "wrong_log", "This process may not write now; repeat the request"


class ConfigError(Exception):
    """The service cannot start with its settings; the message names each invalid one."""
