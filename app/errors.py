"""Product errors: what can go wrong in the terms of the API; `web/errors.py` alone turns them into HTTP."""

from typing import ClassVar


class ProductError(Exception):
    """A failure that a client is told of as a problem document (RFC 9457).

    `code` is stable and meant for programs, `title` for people; the message given to the
    constructor, when there is one, is the `detail` of this very case.
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
    """No token, or one that is malformed, expired or ended (RFC 6750)."""

    status, code, title = 401, "unauthenticated", "A valid access token is required"

    def headers(self) -> dict[str, str]:
        return {"WWW-Authenticate": 'Bearer realm="jobfinder"'}


class InvalidToken(Unauthenticated):
    """A token was sent and it is not, or no longer, valid."""

    code, title = "invalid_token", "The token is not valid"

    def headers(self) -> dict[str, str]:
        return {"WWW-Authenticate": 'Bearer realm="jobfinder", error="invalid_token"'}


class WrongCredentials(Unauthenticated):
    """Wrong address or password; the same answer for both."""

    code, title = "wrong_credentials", "The address or the password is wrong"


class Forbidden(ProductError):
    """The caller is known and may not do this."""

    status, code, title = 403, "forbidden", "This is not allowed"


class NotFound(ProductError):
    """Nothing is there, or nothing that the caller may see."""

    status, code, title = 404, "not_found", "Not found"


class Conflict(ProductError):
    """The request contradicts what is stored."""

    status, code, title = 409, "conflict", "The request contradicts what is stored"


class Gone(ProductError):
    """It was there for everybody, and is no longer."""

    status, code, title = 410, "gone", "It is no longer there"


class PreconditionFailed(ProductError):
    """`If-Match` names another version than the current one (RFC 9110, 13.1.1)."""

    status, code, title = 412, "precondition_failed", "The resource has changed meanwhile"


class UnsupportedMediaType(ProductError):
    """The body is of another type or coding than those that are expected; `accepted` are the headers that name them."""

    status, code, title = 415, "unsupported_media_type", "The body must have another media type"

    def __init__(self, detail: str, accepted: dict[str, str]) -> None:
        super().__init__(detail)
        self._accepted = accepted

    def headers(self) -> dict[str, str]:
        return self._accepted


class FieldError:
    """One bad field: `field` is its name (dots for nesting), `code` stable, `message` for people.

    `did_you_mean` is the known name or value that is spelled most like it.
    """

    __slots__ = ("code", "did_you_mean", "field", "message")

    def __init__(self, field: str, code: str, message: str, did_you_mean: str | None = None) -> None:
        self.field, self.code, self.message, self.did_you_mean = field, code, message, did_you_mean


FIELDS_MAX = 20
"""Bad fields that an answer names: its size is not the client's to choose."""


class Invalid(ProductError):
    """The body is well-formed JSON and breaks rules; the first bad fields are named, and all of them counted."""

    status, code, title = 422, "invalid", "Some fields are not valid"

    def __init__(self, fields: list[FieldError], count: int | None = None) -> None:
        """`count` is that of all bad fields, where `fields` has not every one."""
        self.fields = fields[:FIELDS_MAX]
        self.count = len(fields) if count is None else count
        super().__init__(", ".join(f"{f.field}: {f.message}" for f in self.fields))


def rate_limit_fields(policy: str, limit: int, window_seconds: int, left: int, resets_in: int) -> tuple[str, str]:
    """RateLimit-Policy and RateLimit, as draft-ietf-httpapi-ratelimit-headers-10 has them."""
    return f'"{policy}";q={limit};w={window_seconds}', f'"{policy}";r={left};t={resets_in}'


class RateLimited(ProductError):
    """A limit is reached; `resets_in` is the number of seconds until it opens again."""

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
        """Retry-After and the fields of the limit."""
        policy, state = rate_limit_fields(self.policy, self.limit, self.window_seconds, 0, self.resets_in)
        return {"Retry-After": str(self.resets_in), "RateLimit-Policy": policy, "RateLimit": state}


class Unavailable(ProductError):
    """Something that the request needs does not answer in time; a later try may succeed."""

    status, code, title = 503, "unavailable", "Try again later"

    def __init__(self, detail: str = "", retry_after: int = 1) -> None:
        super().__init__(detail)
        self.retry_after = retry_after

    def headers(self) -> dict[str, str]:
        return {"Retry-After": str(self.retry_after)}


class NotFinal(Unavailable):
    """The change is stored, but it cannot be promised yet that every worker knows it."""

    code, title = "not_final", "The change is stored but not yet final; repeat the request"


class WrongLog(Unavailable):
    """This process is set up for another log of changes than the database is used with; another process may answer."""

    code, title = "wrong_log", "This process may not write now; repeat the request"


class ConfigError(Exception):
    """Settings with which the service refuses to start; the message names every one of them."""
