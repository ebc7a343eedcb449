"""Conditional requests (RFC 9110, 13) to every resource with an entity tag; the middleware evaluates them.

An entity tag consists of id and version, and of the content coding if the body has one.
"""

import hashlib
import re

import falcon

from app.errors import PreconditionFailed
from app.web.errors import problem
from app.web.resource import Resource, headers_of

IF_MATCH, IF_NONE_MATCH = "HTTP_IF_MATCH", "HTTP_IF_NONE_MATCH"
CODINGS = ("br", "gzip")
_READING = ("GET", "HEAD")
_TAG = r'(?:W/)?"[\x21\x23-\x7e\x80-\xff]*"'
_TAGS = re.compile(_TAG)
_LIST = re.compile(rf"[ \t]*(?:{_TAG}[ \t]*)?(?:,[ \t]*(?:{_TAG}[ \t]*)?)*")
_CODED = re.compile(rf'-(?:{"|".join(CODINGS)})"\Z')


def entity_tag(identifier: int, version: int) -> str:
    """The strong tag of one version of one resource."""
    return f'"{identifier}-{version}"'


def content_tag(content: bytes) -> str:
    """The strong tag of an answer that has no version: a hash of its content."""
    return f'"{hashlib.blake2b(content, digest_size=12).hexdigest()}"'


def coded_tag(tag: str, coding: str) -> str:
    """The tag of the same version in a content coding: a strong tag names the exact bytes (RFC 9110, 8.8.3.3)."""
    return f'{tag[:-1]}-{coding}"'


def before_writing(req: falcon.Request, resource: Resource, params: dict[str, object]) -> None:
    """Raise PreconditionFailed if a condition is false; else set `held_version`, which the write must still find.

    Conditions are ignored for a method that the resource does not have (RFC 9110, 13.2.1).
    """
    if req.method in (*_READING, "OPTIONS") or not hasattr(resource, f"on_{req.method.lower()}"):
        return
    tag = resource.tag(req, **params)
    if tag is None:
        return
    if _refused(req, tag) or _named(req, tag) is not None:
        raise PreconditionFailed
    if req.env.get(IF_MATCH, "*").strip() != "*" or IF_NONE_MATCH in req.env:
        req.context.held_version = int(tag.strip('"').rpartition("-")[2])


def after_reading(req: falcon.Request, resp: falcon.Response) -> None:
    """Turn a response with a tag into 412 or 304 if the request's conditions require it."""
    headers = headers_of(resp)
    tag = headers.get("etag")
    if tag is None or req.method not in _READING:
        return
    if _refused(req, tag):
        headers.pop("content-encoding", None)  # that of the body which the problem takes the place of
        problem(resp, req.context.request_id, PreconditionFailed())
    elif (named := _named(req, tag)) is not None:
        resp.status, resp.data, headers["etag"] = falcon.HTTP_304, None, named


def _refused(req: falcon.Request, tag: str) -> bool:
    """Whether If-Match is given and does not include `tag` (strong comparison), in whatever content coding."""
    given, plain = req.env.get(IF_MATCH), _plain(tag)
    return given is not None and given.strip() != "*" and all(_plain(each) != plain for each in _tags(given))


def _named(req: falcon.Request, tag: str) -> str | None:
    """The tag in If-None-Match of the same version as `tag` (weak comparison), None if there is none."""
    given = req.env.get(IF_NONE_MATCH)
    if given is None:
        return None
    if given == tag or given.strip() == "*":
        return tag
    opaque, plain = (each.removeprefix("W/") for each in _tags(given)), _plain(tag)
    return next((each for each in opaque if _plain(each) == plain), None)


def _tags(given: str) -> list[str]:
    """The tags of a header; an empty list if it is malformed."""
    return _TAGS.findall(given) if _LIST.fullmatch(given) else []


def _plain(tag: str) -> str:
    return _CODED.sub('"', tag)
