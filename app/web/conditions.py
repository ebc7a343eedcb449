"""Conditional requests (RFC 9110, 13), for every method of every resource that has a tag: responders do not see them.

An entity tag is made of an id and a version, and of the coding where the body has one.
"""

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


def coded_tag(tag: str, coding: str) -> str:
    """The tag of the same version in a coding: a strong one names the exact bytes (RFC 9110, 8.8.3.3)."""
    return f'{tag[:-1]}-{coding}"'


def conditional(req: falcon.Request) -> bool:
    return IF_MATCH in req.env or IF_NONE_MATCH in req.env


def before_writing(req: falcon.Request, resource: Resource, params: dict[str, object]) -> None:
    """Raise PreconditionFailed where a condition is false; else `held_version` is what a write must still find.

    What the resource refuses anyway, as a method that it has not, is not conditional (RFC 9110, 13.2.1).
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
    """Turn an answer that has a tag into 412 or 304 where its conditions say so."""
    headers = headers_of(resp)
    tag = headers.get("etag")
    if tag is None or req.method not in _READING:
        return
    if _refused(req, tag):
        problem(resp, req.context.request_id, PreconditionFailed())
    elif (named := _named(req, tag)) is not None:
        resp.status, resp.data, headers["etag"] = falcon.HTTP_304, None, named


def _refused(req: falcon.Request, tag: str) -> bool:
    """Whether If-Match leaves `tag` out (strong comparison)."""
    given = req.env.get(IF_MATCH)
    return given is not None and given.strip() != "*" and all(_plain(each) != tag for each in _tags(given))


def _named(req: falcon.Request, tag: str) -> str | None:
    """The tag by which If-None-Match names the version of `tag` (weak comparison), None where it does not."""
    given = req.env.get(IF_NONE_MATCH)
    if given is None:
        return None
    if given == tag or given.strip() == "*":
        return tag
    opaque = (each.removeprefix("W/") for each in _tags(given))
    return next((each for each in opaque if _plain(each) == tag), None)


def _tags(given: str) -> list[str]:
    """Each tag of a list, none where it is not well-formed."""
    return _TAGS.findall(given) if _LIST.fullmatch(given) else []


def _plain(tag: str) -> str:
    return _CODED.sub('"', tag)
