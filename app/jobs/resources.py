"""HTTP resources of postings and searches."""

from collections.abc import Iterable, Iterator
from typing import cast, get_args

import falcon

from app.companies.schemas import CompanyFact
from app.errors import BadRequest
from app.jobs.facts import JobFact
from app.jobs.linked import JSON_LD, job_posting
from app.jobs.parameters import searched
from app.jobs.query.parameters import chosen, some_of
from app.jobs.query.suggestions.service import KEPT_S, KINDS, Suggestions, SuggestionService, asked
from app.jobs.results import Found
from app.jobs.schemas import Job, JobBatch, JobPatch, Jobs, NewJob, State
from app.jobs.searches import SearchService
from app.jobs.service import JobService
from app.users.resources import parse_ids
from app.web.bodies import JSON, MERGE_PATCH, read_json, read_one_of
from app.web.converters import ID_SCHEMA
from app.web.openapi.operations import Operation, Parameter, operation
from app.web.pages import PAGE_BYTES, PAGING, page_asked
from app.web.resource import READING, Resource, answer, given, headers_of, locate

BATCH_MAX, BATCH_BYTES = 100, 2 * PAGE_BYTES
_STATES: tuple[State, ...] = get_args(State)
_JOB = Parameter("job_id", "path", ID_SCHEMA, "", required=True)
_COMPANY = Parameter("company_id", "path", ID_SCHEMA, "", required=True)
_IDS = {"type": "array", "items": ID_SCHEMA, "minItems": 1, "maxItems": BATCH_MAX}
_CHANGES: dict[str, type[JobPatch]] = {JSON: JobPatch, MERGE_PATCH: JobPatch}
Shown = tuple[JobFact, CompanyFact]


def _show(resp: falcon.Response, shown: Shown) -> None:
    fact, company = shown
    headers = headers_of(resp)
    headers["etag"] = fact.tag(company)
    headers["cache-control"] = "private, no-cache"
    resp.data = fact.json(company)


def _user(req: falcon.Request) -> int | None:
    identity = req.context.identity
    return None if identity is None else int(identity.user_id)


class CompanyJobs(Resource):
    """The postings of a company, for its members."""

    activity = "posting"

    def __init__(self, jobs: JobService) -> None:
        self._jobs = jobs

    @operation(
        Operation(
            "List the postings of a company in every state; members only",
            {200: Jobs},
            errors=(400, 401, 403, 404, 422, 429, 503),
            parameters=(
                _COMPANY,
                Parameter(
                    "state",
                    "query",
                    some_of(_STATES),
                    "only these",
                ),
                *PAGING,
            ),
        )
    )
    def on_get(self, req: falcon.Request, resp: falcon.Response, company_id: int) -> None:
        before, limit = page_asked(req)
        user_id = req.context.identity.user_id
        found, following = self._jobs.of_company(
            company_id, user_id, cast("list[State] | None", chosen(given(req), "state", _STATES)), before, limit
        )
        jobs = b",".join([fact.json(company) for fact, company in found])
        behind = b"null" if following is None else b'"%d"' % following
        resp.data = b'{"jobs":[' + jobs + b'],"next":' + behind + b"}"
        headers_of(resp)["cache-control"] = "private, no-cache"

    on_head = on_get

    @operation(
        Operation(
            "Create a posting; members only",
            {201: Job},
            body=NewJob,
            errors=(400, 401, 403, 404, 415, 422, 429, 503),
            parameters=(_COMPANY,),
            headers={201: ("ETag", "Location")},
        )
    )
    def on_post(self, req: falcon.Request, resp: falcon.Response, company_id: int) -> None:
        shown = self._jobs.create(company_id, req.context.identity.user_id, read_json(req, NewJob))
        _show(resp, shown)
        resp.status = 201
        locate(req, resp, f"/api/v1/jobs/{shown[0].posting.id}")


class OneJob(Resource):
    """A posting: public while it is open, visible to members of its company always."""

    activity = "posting"
    open_to_all = READING

    def __init__(self, jobs: JobService) -> None:
        self._jobs = jobs

    def tag(self, req: falcon.Request, **params: object) -> str:
        job_id = int(str(params["job_id"]))
        if req.method not in READING and (user_id := _user(req)) is not None:
            self._jobs.for_member(job_id, user_id)
        fact, company = self._jobs.job(job_id, lambda: _user(req))
        return fact.tag(company)

    @operation(
        Operation(
            f"Read a posting; an open one also as schema.org JobPosting (Accept: {JSON_LD})",
            {200: Job, 304: None},
            errors=(401, 404, 410, 429, 503),
            parameters=(_JOB,),
            headers={200: ("ETag",), 304: ("ETag",)},
            keep="public",
        )
    )
    def on_get(self, req: falcon.Request, resp: falcon.Response, job_id: int) -> None:
        if JSON_LD in req.env.get("HTTP_ACCEPT", ""):
            fact, company = self._jobs.job(job_id, lambda: None)
            resp.content_type, resp.data = JSON_LD, job_posting(fact.posting, company)
            headers_of(resp).update({"cache-control": "private, no-cache", "vary": "Accept"})
        else:
            _show(resp, self._jobs.job(job_id, lambda: _user(req)))

    on_head = on_get

    @operation(
        Operation(
            "Change, open or close a posting; members only",
            {200: Job},
            body=JobPatch,
            other_bodies={MERGE_PATCH: JobPatch},
            errors=(400, 401, 403, 404, 409, 415, 422, 429, 503),
            parameters=(_JOB,),
            headers={200: ("ETag",)},
        )
    )
    def on_patch(self, req: falcon.Request, resp: falcon.Response, job_id: int) -> None:
        user_id, version = req.context.identity.user_id, req.context.held_version
        _show(resp, self._jobs.change(job_id, user_id, read_one_of(req, _CHANGES), version))

    @operation(
        Operation(
            "Delete a draft; members only",
            {204: None},
            errors=(401, 403, 404, 409, 429, 503),
            parameters=(_JOB,),
        )
    )
    def on_delete(self, req: falcon.Request, resp: falcon.Response, job_id: int) -> None:
        self._jobs.delete(job_id, req.context.identity.user_id, req.context.held_version)
        resp.status = 204


class JobBatches(Resource):
    """Up to 100 open postings at once."""

    open_to_all = READING

    def __init__(self, jobs: JobService) -> None:
        self._jobs = jobs

    @operation(
        Operation(
            "Read up to 100 open postings",
            {200: JobBatch},
            errors=(400, 401, 429, 503),
            parameters=(Parameter("ids", "query", _IDS, "the order is kept and duplicates are folded", required=True),),
            keep="public",
        )
    )
    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        wanted = parse_ids(req.params.get("ids"))
        found = self._jobs.open_jobs(wanted)
        jobs = b",".join(_within(found[job_id][0].json(found[job_id][1]) for job_id in wanted if job_id in found))
        missing = ",".join([str(job_id) for job_id in wanted if job_id not in found])
        resp.data = b'{"jobs":[' + jobs + b'],"missing":[' + missing.encode() + b"]}"
        headers_of(resp)["cache-control"] = "private, no-cache"

    on_head = on_get


def _within(jobs: Iterable[bytes]) -> Iterator[bytes]:
    """The same; raises BadRequest beyond BATCH_BYTES."""
    left = BATCH_BYTES
    for each in jobs:
        left -= len(each)
        if left < 0:
            raise BadRequest(f"these postings have more than {BATCH_BYTES >> 20} MiB; ask for fewer")
        yield each


class Searches(Resource):
    """Searches open postings by words and filters."""

    open_to_all = READING

    def __init__(self, searches: SearchService) -> None:
        self._searches = searches

    def tag(self, req: falcon.Request, **params: object) -> None:
        """The tag of an answer is the hash of all of it but `as_of`; no change could be conditional on it."""

    @operation(
        Operation(
            "Search open postings",
            {200: Found, 304: None},
            errors=(401, 422, 429, 503),
            parameters=searched(),
            headers={200: ("ETag",), 304: ("ETag",)},
            keep="public",
        )
    )
    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        resp.data, tag, age = self._searches.search(given(req), req.env.get("HTTP_ACCEPT_LANGUAGE", ""))
        headers = headers_of(resp)
        if age is not None:
            headers["age"] = str(age)
        headers["etag"] = tag
        headers["cache-control"] = "private, no-cache"
        headers["vary"] = "Accept-Language"

    on_head = on_get


class SimilarJobs(Resource):
    """Open postings that are similar to one."""

    open_to_all = READING

    def __init__(self, searches: SearchService) -> None:
        self._searches = searches

    @operation(
        Operation(
            "Read open postings that are similar to this one",
            {200: JobBatch},
            errors=(401, 404, 410, 429, 503),
            parameters=(_JOB,),
            keep="public",
        )
    )
    def on_get(self, req: falcon.Request, resp: falcon.Response, job_id: int) -> None:
        resp.data = self._searches.similar(job_id, lambda: _user(req))
        headers_of(resp)["cache-control"] = "private, no-cache"

    on_head = on_get


class JobSuggestions(Resource):
    """Completions of a text while it is typed."""

    open_to_all = READING

    def __init__(self, suggestions: SuggestionService) -> None:
        self._suggestions = suggestions

    @operation(
        Operation(
            "Complete a text while it is typed",
            {200: Suggestions},
            errors=(401, 422, 429, 503),
            parameters=(
                Parameter("q", "query", {"type": "string", "minLength": 1, "maxLength": 100}, "", required=True),
                Parameter(
                    "kind",
                    "query",
                    some_of(KINDS),
                    "default: all",
                ),
            ),
            keep="public",
        )
    )
    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        answer(resp, self._suggestions.suggest(*asked(given(req))))
        headers_of(resp)["cache-control"] = f"private, max-age={KEPT_S}"

    on_head = on_get
