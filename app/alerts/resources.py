"""HTTP resources of saved searches."""

import falcon

from app.alerts.schemas import (
    Explanation,
    Matches,
    NewSavedSearch,
    Preview,
    PreviewAsked,
    SavedSearch,
    SavedSearches,
    SavedSearchPatch,
    Unsubscription,
)
from app.alerts.service import SavedSearchService, tag_of
from app.errors import BadRequest
from app.jobs.query.languages import preferred_language
from app.jobs.query.parameters import DEFAULT_LIMIT, LIMIT_MAX
from app.web.bodies import JSON, MERGE_PATCH, read_json, read_one_of
from app.web.converters import ID_SCHEMA
from app.web.openapi.operations import Operation, Parameter, operation
from app.web.pages import SEALED_CURSOR, number_asked
from app.web.resource import Resource, answer, answer_tagged, headers_of, locate

_SEARCH = Parameter("search_id", "path", ID_SCHEMA, "", required=True)
_CHANGES: dict[str, type[SavedSearchPatch]] = {JSON: SavedSearchPatch, MERGE_PATCH: SavedSearchPatch}
_LIMIT = {"type": "integer", "minimum": 1, "maximum": LIMIT_MAX, "default": DEFAULT_LIMIT}


def _show(resp: falcon.Response, search: SavedSearch, status: int = 200) -> None:
    answer_tagged(resp, search, tag_of(search), status)


class _SearchResource(Resource):
    def __init__(self, searches: SavedSearchService) -> None:
        self._searches = searches


class SavedSearchList(_SearchResource):
    """The saved searches of the account."""

    @operation(Operation("List the own saved searches", {200: SavedSearches}, errors=(401, 429, 503)))
    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        answer(resp, self._searches.list_all(req.context.identity.user_id))
        headers_of(resp)["cache-control"] = "private, no-cache"

    on_head = on_get

    @operation(
        Operation(
            "Save a search",
            {201: SavedSearch},
            body=NewSavedSearch,
            errors=(400, 401, 404, 409, 415, 422, 429, 503),
            headers={201: ("ETag", "Location")},
        )
    )
    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        new = read_json(req, NewSavedSearch)
        made = self._searches.create(req.context.identity.user_id, new, _language(req))
        _show(resp, made, 201)
        locate(req, resp, f"/api/v1/saved-searches/{made.id}")


class OneSavedSearch(_SearchResource):
    """A saved search, for its account."""

    def tag(self, req: falcon.Request, **params: object) -> str:
        return tag_of(self._searches.one(req.context.identity.user_id, int(str(params["search_id"]))))

    @operation(
        Operation(
            "Read a saved search",
            {200: SavedSearch, 304: None},
            errors=(401, 404, 429, 503),
            parameters=(_SEARCH,),
            headers={200: ("ETag",), 304: ("ETag",)},
        )
    )
    def on_get(self, req: falcon.Request, resp: falcon.Response, search_id: int) -> None:
        _show(resp, self._searches.one(req.context.identity.user_id, search_id))

    on_head = on_get

    @operation(
        Operation(
            "Change a saved search, or say what has been seen",
            {200: SavedSearch},
            body=SavedSearchPatch,
            other_bodies={MERGE_PATCH: SavedSearchPatch},
            errors=(400, 401, 404, 415, 422, 429, 503),
            parameters=(_SEARCH,),
            headers={200: ("ETag",)},
        )
    )
    def on_patch(self, req: falcon.Request, resp: falcon.Response, search_id: int) -> None:
        user_id, version = req.context.identity.user_id, req.context.held_version
        _show(resp, self._searches.change(user_id, search_id, read_one_of(req, _CHANGES), version, _language(req)))

    @operation(
        Operation("Delete a saved search", {204: None}, errors=(401, 404, 429, 503), parameters=(_SEARCH,))
    )  # fmt: skip
    def on_delete(self, req: falcon.Request, resp: falcon.Response, search_id: int) -> None:
        self._searches.delete(req.context.identity.user_id, search_id, req.context.held_version)
        resp.status = 204


class SearchMatches(_SearchResource):
    """What a saved search finds."""

    @operation(
        Operation(
            "Read a page of matches, with the number of new ones",
            {200: Matches},
            errors=(401, 404, 422, 429, 503),
            parameters=(
                _SEARCH,
                Parameter("limit", "query", _LIMIT, "maximum number of matches on a page"),
                Parameter("cursor", "query", SEALED_CURSOR, "`next` of the previous page"),
            ),
        )
    )
    def on_get(self, req: falcon.Request, resp: falcon.Response, search_id: int) -> None:
        limit, cursor = _values(req, "limit"), _values(req, "cursor")
        resp.data = self._searches.matches(req.context.identity.user_id, search_id, limit, cursor)
        headers_of(resp)["cache-control"] = "private, no-cache"

    on_head = on_get


class SearchExplanation(_SearchResource):
    """Why a saved search finds a posting, or does not."""

    @operation(
        Operation(
            "Explain clause by clause whether a saved search finds a posting",
            {200: Explanation},
            errors=(400, 401, 404, 422, 429, 503),
            parameters=(_SEARCH, Parameter("job_id", "query", ID_SCHEMA, "the posting", required=True)),
        )
    )
    def on_get(self, req: falcon.Request, resp: falcon.Response, search_id: int) -> None:
        job_id = number_asked(req, "job_id")
        if job_id is None:
            raise BadRequest("job_id is missing")
        answer(resp, self._searches.explain(req.context.identity.user_id, search_id, job_id))
        headers_of(resp)["cache-control"] = "private, no-cache"

    on_head = on_get


class SearchPreview(_SearchResource):
    """Tries a search before it is saved."""

    @operation(
        Operation(
            "See what a search finds before it is saved",
            {200: Preview},
            body=PreviewAsked,
            errors=(400, 401, 415, 422, 429, 503),
        )
    )
    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        resp.data = self._searches.preview(read_json(req, PreviewAsked).query, _language(req))


class Unsubscriptions(_SearchResource):
    """Ends alerts."""

    public = True

    @operation(
        Operation(
            "End the alerts of a search, or all, by the token of a digest's link; it works any number of times",
            {204: None},
            body=Unsubscription,
            errors=(400, 404, 415, 422, 429, 503),
        )
    )
    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        self._searches.unsubscribe(read_json(req, Unsubscription).token)
        resp.status = 204


def all_resources(searches: SavedSearchService) -> list[Resource]:
    """Every resource of this module."""
    kinds = (SavedSearchList, OneSavedSearch, SearchMatches, SearchExplanation, SearchPreview, Unsubscriptions)
    return [kind(searches) for kind in kinds]


def _language(req: falcon.Request) -> str:
    return preferred_language(req.env.get("HTTP_ACCEPT_LANGUAGE", "")[:500])


def _values(req: falcon.Request, name: str) -> list[str] | None:
    given = req.params.get(name)
    return given if given is None or isinstance(given, list) else [given]
