"""HTTP resources of applications."""

from typing import cast, get_args

import falcon

from app.applications.board import ApplicationBoard
from app.applications.cvs.pdf import BYTES_MAX
from app.applications.repeats.store import KEYS_MAX
from app.applications.schemas import (
    KEY_PATTERN,
    Application,
    ApplicationPatch,
    Applications,
    NewApplication,
    Pdf,
    Stage,
)
from app.applications.service import ApplicationService
from app.jobs.query.parameters import chosen, some_of
from app.web.bodies import JSON, MERGE_PATCH, media_type, read_json, read_one_of
from app.web.conditions import entity_tag
from app.web.converters import ID_SCHEMA
from app.web.openapi.operations import Operation, Parameter, operation
from app.web.pages import SEALED_PAGING, sealed_page_asked
from app.web.resource import Resource, answer, answer_tagged, given, headers_of, locate

PDF = "application/pdf"
_STAGES: tuple[Stage, ...] = get_args(Stage)
_JOB = Parameter("job_id", "path", ID_SCHEMA, "", required=True)
_APPLICATION = Parameter("application_id", "path", ID_SCHEMA, "", required=True)
_CHANGES: dict[str, type[ApplicationPatch]] = {JSON: ApplicationPatch, MERGE_PATCH: ApplicationPatch}


def _show(resp: falcon.Response, shown: Application, status: int = 200) -> None:
    answer_tagged(resp, shown, entity_tag(shown.id, shown.version), status)


class _ApplicationResource(Resource):
    def __init__(self, applications: ApplicationService) -> None:
        self._applications = applications


class JobApplications(_ApplicationResource):
    """The applications for a job."""

    activity = "applying"

    @operation(
        Operation(
            "List the applications for a job, the newest first; members only",
            {200: Applications},
            errors=(400, 401, 403, 404, 422, 429, 503),
            parameters=(_JOB, Parameter("stage", "query", some_of(_STAGES), "only these"), *SEALED_PAGING),
        )
    )
    def on_get(self, req: falcon.Request, resp: falcon.Response, job_id: int) -> None:
        cursor, limit = sealed_page_asked(req)
        stages = cast("list[Stage] | None", chosen(given(req), "stage", _STAGES))
        answer(resp, self._applications.of_job(job_id, req.context.identity.user_id, stages, cursor, limit))

    on_head = on_get

    @operation(
        Operation(
            "Apply for a job; whoever has applied before gets that application again (200)",
            {200: Application, 201: Application},
            body=NewApplication,
            errors=(400, 401, 403, 404, 409, 415, 422, 429, 503),
            parameters=(
                _JOB,
                Parameter(
                    "Idempotency-Key",
                    "header",
                    {"type": "string", "pattern": KEY_PATTERN, "minLength": 1, "maxLength": 100},
                    "for 24 hours a repeated request with it gets the same answer, or with 200 the application as it "
                    f"now is; 422 for another body; 429 for more than {KEYS_MAX} keys",
                ),
            ),
            headers={200: ("ETag",), 201: ("ETag", "Location")},
        )
    )
    def on_post(self, req: falcon.Request, resp: falcon.Response, job_id: int) -> None:
        user_id, key = req.context.identity.user_id, req.get_header("Idempotency-Key")
        shown, status = self._applications.apply(job_id, user_id, read_json(req, NewApplication), key)
        _show(resp, shown, status)
        if status == 201:
            locate(req, resp, f"/api/v1/applications/{shown.id}")


class OwnApplications(_ApplicationResource):
    """The applications of the user."""

    @operation(
        Operation(
            "List your applications, the newest first",
            {200: Applications},
            errors=(400, 401, 422, 429, 503),
            parameters=SEALED_PAGING,
        )
    )
    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        answer(resp, self._applications.own(req.context.identity.user_id, *sealed_page_asked(req)))

    on_head = on_get


class OneApplication(_ApplicationResource):
    """An application: for the candidate, and for members of the company."""

    def tag(self, req: falcon.Request, **params: object) -> str:
        shown = self._applications.read(int(str(params["application_id"])), req.context.identity.user_id, ())
        return entity_tag(shown.id, shown.version)

    @operation(
        Operation(
            "Read an application: your own, or one for a job of your company, with notes",
            {200: Application, 304: None},
            errors=(401, 404, 429, 503),
            parameters=(_APPLICATION,),
            headers={200: ("ETag",), 304: ("ETag",)},
        )
    )
    def on_get(self, req: falcon.Request, resp: falcon.Response, application_id: int) -> None:
        _show(resp, self._applications.read(application_id, req.context.identity.user_id))

    on_head = on_get

    @operation(
        Operation(
            "Move an application to a stage, or add a note; members only, each at most 500 times (409)",
            {200: Application},
            body=ApplicationPatch,
            other_bodies={MERGE_PATCH: ApplicationPatch},
            errors=(400, 401, 403, 404, 409, 415, 422, 429, 503),
            parameters=(_APPLICATION,),
            headers={200: ("ETag",)},
        )
    )
    def on_patch(self, req: falcon.Request, resp: falcon.Response, application_id: int) -> None:
        user_id, version = req.context.identity.user_id, req.context.held_version
        _show(resp, self._applications.change(application_id, user_id, read_one_of(req, _CHANGES), version))


class Cvs(_ApplicationResource):
    """The CV of an application: sent to whoever may see the application, as a file that no browser opens here."""

    activity = "applying"

    @operation(
        Operation(
            "Read the CV of an application: your own, or one for a job of your company",
            {200: Pdf},
            errors=(401, 404, 429, 503),
            parameters=(_APPLICATION,),
            media_type=PDF,
        )
    )
    def on_get(self, req: falcon.Request, resp: falcon.Response, application_id: int) -> None:
        resp.data = self._applications.cv(application_id, req.context.identity.user_id)
        resp.content_type = PDF
        headers = headers_of(resp)
        headers["content-disposition"] = f'attachment; filename="application-{application_id}.pdf"'
        headers["content-security-policy"] = "default-src 'none'; sandbox"
        headers["cross-origin-resource-policy"] = "same-origin"

    on_head = on_get

    @operation(
        Operation(
            "Add a CV to your application, a PDF of at most 5 MiB, in place of the one before",
            {200: Application},
            body=Pdf,
            body_type=PDF,
            body_bytes=BYTES_MAX,
            errors=(401, 403, 404, 409, 415, 422, 429, 503),
            parameters=(_APPLICATION,),
            headers={200: ("ETag",)},
        )
    )
    def on_put(self, req: falcon.Request, resp: falcon.Response, application_id: int) -> None:
        media_type(req, [PDF])
        user_id = req.context.identity.user_id
        _show(resp, self._applications.put_cv(application_id, user_id, req.bounded_stream.read()))


class Withdrawals(_ApplicationResource):
    """Withdraws applications."""

    @operation(
        Operation(
            "Withdraw your application; repeated, it changes nothing",
            {200: Application},
            errors=(401, 403, 404, 409, 429, 503),
            parameters=(_APPLICATION,),
            headers={200: ("ETag",)},
        )
    )
    def on_post(self, req: falcon.Request, resp: falcon.Response, application_id: int) -> None:
        _show(resp, self._applications.withdraw(application_id, req.context.identity.user_id))


def all_resources(board: ApplicationBoard) -> list[Resource]:
    """Every resource of this module."""
    kinds = (JobApplications, OwnApplications, OneApplication, Cvs, Withdrawals)
    return [kind(board.service) for kind in kinds]
