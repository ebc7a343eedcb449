"""HTTP resources of imports; members of the company only."""

import falcon

from app.companies.service import CompanyService
from app.errors import BadRequest, FieldError, Invalid
from app.imports.board import Imports
from app.imports.lines import Line, lines_of
from app.imports.schemas import Imported, JobLine, LineReport, Run, encode_report
from app.jobs.schemas import JobContent
from app.jobs.service import JobService
from app.web.bodies import JSON, converted, decoded, media_type
from app.web.converters import ID_SCHEMA, NAME_PATTERN, SOURCE_PATTERN, is_source
from app.web.openapi.operations import Operation, Parameter, operation
from app.web.resource import Resource, answer, locate

NDJSON = "application/x-ndjson"
BYTES_MAX, LINES_MAX = 1_048_576, 1_000
_COMPANY = Parameter("company_id", "path", ID_SCHEMA, "", required=True)
_SOURCE_SCHEMA = {"type": "string", "pattern": SOURCE_PATTERN}
_SOURCE = Parameter("source", "path", _SOURCE_SCHEMA, "name of the system that the postings come from", required=True)
_RUN = Parameter("run_id", "path", ID_SCHEMA, "", required=True)
_NAME = Parameter("external_id", "path", {"type": "string", "pattern": NAME_PATTERN}, "name there", required=True)
_ERRORS = (400, 401, 403, 404, 409, 422, 429, 503)


class ImportedJob(Resource):
    """One posting under the name that it has in its company's system."""

    activity = "posting"

    def __init__(self, imports: Imports, jobs: JobService, companies: CompanyService) -> None:
        self._imports, self._jobs, self._companies = imports, jobs, companies

    @operation(
        Operation(
            "Create or replace a posting by its name in your system; repeated, it changes nothing; members only",
            {200: Imported, 201: Imported},
            body=JobContent,
            errors=(*_ERRORS, 415),
            parameters=(_COMPANY, _SOURCE, _NAME),
            headers={201: ("Location",)},
        )
    )
    def on_put(
        self, req: falcon.Request, resp: falcon.Response, company_id: int, source: str, external_id: str
    ) -> None:  # fmt: skip
        user_id = req.context.identity.user_id
        self._companies.require(company_id, user_id)
        media_type(req, [JSON])
        raw = req.bounded_stream.read()
        content = converted(decoded(raw), JobContent)
        report = self._imports.importer.put(company_id, source, external_id, content, raw)
        fact, company = self._jobs.job(report.id, lambda: user_id)
        unchanged = b"true" if report.status == "unchanged" else b"false"
        resp.data = b'{"unchanged":' + unchanged + b',"job":' + fact.json(company) + b"}"
        if report.status == "created":
            resp.status = 201
            locate(req, resp, f"/api/v1/jobs/{report.id}")


class JobImport(Resource):
    """Many postings at once; each line stands for itself."""

    activity = "posting"

    def __init__(self, imports: Imports, companies: CompanyService) -> None:
        self._imports, self._companies = imports, companies

    @operation(
        Operation(
            f"Import at most {LINES_MAX} postings, one a line; the answer has a line for each; members only",
            {200: LineReport},
            body=JobLine,
            body_type=NDJSON,
            body_bytes=BYTES_MAX,
            errors=(*_ERRORS, 415),
            parameters=(_COMPANY, Parameter("source", "query", _SOURCE_SCHEMA, "as in the path", required=True)),
            media_type=NDJSON,
        )
    )
    def on_post(self, req: falcon.Request, resp: falcon.Response, company_id: int) -> None:
        self._companies.require(company_id, req.context.identity.user_id)
        source = req.params.get("source")
        if not isinstance(source, str) or not is_source(source):
            raise Invalid([FieldError("source", "invalid", "small letters, digits and hyphens, at most 40")])
        _report(resp, self._imports.importer.write(company_id, source, _lines(req)))


class FeedRunList(Resource):
    """Runs of full feeds."""

    activity = "posting"

    def __init__(self, imports: Imports, companies: CompanyService) -> None:
        self._runs, self._companies = imports.runs, companies

    @operation(
        Operation(
            "Begin a full feed of a source; refused while another one is under way; members only",
            {201: Run},
            errors=(401, 403, 404, 409, 429, 503),
            parameters=(_COMPANY, _SOURCE),
            headers={201: ("Location",)},
        )
    )
    def on_post(self, req: falcon.Request, resp: falcon.Response, company_id: int, source: str) -> None:
        self._companies.require(company_id, req.context.identity.user_id)
        run = self._runs.start(company_id, source)
        answer(resp, run, 201)
        locate(req, resp, f"/api/v1/companies/{company_id}/feeds/{source}/runs/{run.id}")


class OneFeedRun(Resource):
    """A run of a full feed."""

    activity = "posting"

    def __init__(self, imports: Imports, companies: CompanyService) -> None:
        self._runs, self._companies = imports.runs, companies

    @operation(
        Operation(
            "Read the state of a run; members only",
            {200: Run},
            errors=(401, 403, 404, 429, 503),
            parameters=(_COMPANY, _SOURCE, _RUN),
        )
    )
    def on_get(self, req: falcon.Request, resp: falcon.Response, company_id: int, source: str, run_id: int) -> None:
        self._companies.require(company_id, req.context.identity.user_id)
        answer(resp, self._runs.find(company_id, source, run_id))

    on_head = on_get

    @operation(
        Operation(
            "End a run without closing anything; members only",
            {204: None},
            errors=(401, 403, 404, 409, 429, 503),
            parameters=(_COMPANY, _SOURCE, _RUN),
        )
    )
    def on_delete(self, req: falcon.Request, resp: falcon.Response, company_id: int, source: str, run_id: int) -> None:
        self._companies.require(company_id, req.context.identity.user_id)
        self._runs.end(company_id, source, run_id)
        resp.status = 204


class FeedRunLines(Resource):
    """Lines of a run."""

    activity = "posting"

    def __init__(self, imports: Imports, companies: CompanyService) -> None:
        self._runs, self._companies = imports.runs, companies

    @operation(
        Operation(
            f"Import at most {LINES_MAX} lines of a run, which may be repeated; members only",
            {200: LineReport},
            body=JobLine,
            body_type=NDJSON,
            body_bytes=BYTES_MAX,
            errors=(*_ERRORS, 415),
            parameters=(_COMPANY, _SOURCE, _RUN),
            media_type=NDJSON,
        )
    )
    def on_post(self, req: falcon.Request, resp: falcon.Response, company_id: int, source: str, run_id: int) -> None:
        self._companies.require(company_id, req.context.identity.user_id)
        _report(resp, self._runs.add(company_id, source, run_id, _lines(req)))


class FeedRunCommit(Resource):
    """The end of a full feed."""

    activity = "posting"

    def __init__(self, imports: Imports, companies: CompanyService) -> None:
        self._runs, self._companies = imports.runs, companies

    @operation(
        Operation(
            "Close what the run did not name; more than 30 % of the open postings only if forced; members only",
            {200: Run},
            errors=(400, 401, 403, 404, 409, 429, 503),
            parameters=(
                _COMPANY,
                _SOURCE,
                _RUN,
                Parameter("force", "query", {"type": "boolean"}, "close however many"),
            ),
        )
    )
    def on_post(self, req: falcon.Request, resp: falcon.Response, company_id: int, source: str, run_id: int) -> None:
        self._companies.require(company_id, req.context.identity.user_id)
        force = req.params.get("force", "false")
        if force not in ("true", "false"):
            raise BadRequest("force is true or false")
        answer(resp, self._runs.commit(company_id, source, run_id, force=force == "true"))


def all_resources(imports: Imports, jobs: JobService, companies: CompanyService) -> list[Resource]:
    """Every resource of this module."""
    kinds = (JobImport, FeedRunList, OneFeedRun, FeedRunLines, FeedRunCommit)
    return [ImportedJob(imports, jobs, companies), *(kind(imports, companies) for kind in kinds)]


def _lines(req: falcon.Request) -> list[Line]:
    """The lines of the body; raises UnsupportedMediaType or BadRequest."""
    media_type(req, [NDJSON])
    lines = list(lines_of(req.bounded_stream.read().split(b"\n")))
    if len(lines) > LINES_MAX:
        raise BadRequest(f"a request has at most {LINES_MAX} lines")
    return lines


def _report(resp: falcon.Response, reports: list[LineReport]) -> None:
    resp.content_type = NDJSON
    resp.data = b"".join([encode_report(each) + b"\n" for each in reports])
