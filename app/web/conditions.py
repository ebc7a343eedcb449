"""Conditional requests (RFC 9110, 13): entity tags that are made of an id and a version."""

import falcon

from app.errors import PreconditionFailed


def entity_tag(identifier: int, version: int) -> str:
    """The strong tag of one version of one resource."""
    return f'"{identifier}-{version}"'


def not_modified(req: falcon.Request, tag: str) -> bool:
    """Whether If-None-Match names `tag` (weak comparison)."""
    given = req.env.get("HTTP_IF_NONE_MATCH")
    return given is not None and (given == tag or _names(given, tag))


def expected_version(req: falcon.Request, identifier: int) -> int | None:
    """The version that If-Match asks for, None where any will do; raises PreconditionFailed where none can match.

    A weak tag is taken for its strong one: ingresses that compress weaken tags, and the version in the tag identifies
    the state that the client saw.
    """
    given = req.env.get("HTTP_IF_MATCH")
    if given is None or given.strip() == "*":
        return None
    versions = [_version(part, identifier) for part in given.split(",")]
    known = [version for version in versions if version is not None]
    if len(known) != 1:
        raise PreconditionFailed("If-Match names no version of this resource")
    return known[0]


def _names(given: str, tag: str) -> bool:
    return given.strip() == "*" or any(part.strip().removeprefix("W/") == tag for part in given.split(","))


def _version(part: str, identifier: int) -> int | None:
    owner, _, version = part.strip().removeprefix("W/").strip('"').partition("-")
    return int(version) if owner == str(identifier) and version.isdecimal() and len(version) < 10 else None
