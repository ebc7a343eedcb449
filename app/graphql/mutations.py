"""The fields of `Mutation`: each is a change of the REST API, with the same shapes, rules and versions."""

from typing import Any

import msgspec

from app.alerts.schemas import NewSavedSearch, SavedSearchPatch
from app.applications.schemas import Application, NewApplication
from app.companies.schemas import CompanyFact, CompanyPatch, NewCompany
from app.config import Activity
from app.graphql.asked import Asked
from app.graphql.loading import Found, Loading, Services, Viewer, decode, number, posting
from app.jobs.facts import JobFact
from app.jobs.query.languages import preferred_language
from app.jobs.schemas import JobPatch, NewJob
from app.users.schemas import Profile, ProfilePatch
from app.web.bodies import converted
from app.web.middleware import MayDo

Given = dict[str, Any]
"""An input with the names of the REST API; what the client left out is missing."""


class Mutations:
    """Each method is a field: it gets the viewer, what is asked of it, and its arguments."""

    def __init__(self, services: Services, may_do: MayDo) -> None:
        self._users, self._companies, self._jobs = services.users, services.companies, services.board.jobs
        self._applications, self._saved = services.applications, services.saved
        self._loading, self._may_do = Loading(services), may_do

    def update_profile(
        self, viewer: Viewer, asked: Asked, input: Given, expected_version: int | None = None  # noqa: A002
    ) -> Found:  # fmt: skip
        user_id, given = viewer.known, converted(input, ProfilePatch)
        profile = Profile(given.name, "" if given.headline is None else given.headline)
        return decode(self._users.change(user_id, profile, expected_version).private_json)

    def apply(
        self, viewer: Viewer, asked: Asked, job_id: str, input: Given, idempotency_key: str | None = None  # noqa: A002
    ) -> Found:  # fmt: skip
        user_id, new = self._may(viewer, "applying"), converted(input, NewApplication)
        shown, _ = self._applications.apply(number(job_id), user_id, new, idempotency_key)
        return self._applied(viewer, asked, shown)

    def withdraw_application(self, viewer: Viewer, asked: Asked, id: str) -> Found:  # noqa: A002
        return self._applied(viewer, asked, self._applications.withdraw(number(id), viewer.known))

    def save_search(self, viewer: Viewer, asked: Asked, input: Given) -> Found:  # noqa: A002
        user_id, new = viewer.known, converted(input, NewSavedSearch)
        saved = self._saved.create(user_id, new, preferred_language(viewer.language))
        found: Found = msgspec.to_builtins(saved)
        return found

    def update_saved_search(
        self, viewer: Viewer, asked: Asked, id: str, input: Given, expected_version: int | None = None  # noqa: A002
    ) -> Found:  # fmt: skip
        user_id, patch = viewer.known, converted(input, SavedSearchPatch)
        lang = preferred_language(viewer.language)
        found: Found = msgspec.to_builtins(self._saved.change(user_id, number(id), patch, expected_version, lang))
        return found

    def delete_saved_search(
        self, viewer: Viewer, asked: Asked, id: str, expected_version: int | None = None  # noqa: A002
    ) -> int:  # fmt: skip
        self._saved.delete(viewer.known, number(id), expected_version)
        return number(id)

    def create_company(self, viewer: Viewer, asked: Asked, input: Given) -> Found:  # noqa: A002
        return _company(self._companies.create(viewer.known, converted(input, NewCompany), viewer.client))

    def update_company(
        self, viewer: Viewer, asked: Asked, id: str, input: Given, expected_version: int | None = None  # noqa: A002
    ) -> Found:  # fmt: skip
        user_id, patch = viewer.known, converted(input, CompanyPatch)
        return _company(self._companies.change(number(id), user_id, patch, expected_version))

    def create_job(self, viewer: Viewer, asked: Asked, company_id: str, input: Given) -> Found:  # noqa: A002
        user_id = self._may(viewer, "posting")
        return _job(viewer, asked, self._jobs.create(number(company_id), user_id, converted(input, NewJob)))

    def update_job(
        self, viewer: Viewer, asked: Asked, id: str, input: Given, expected_version: int | None = None  # noqa: A002
    ) -> Found:  # fmt: skip
        user_id = self._may(viewer, "posting")
        return _job(viewer, asked, self._jobs.change(number(id), user_id, converted(input, JobPatch), expected_version))

    def delete_job(
        self, viewer: Viewer, asked: Asked, id: str, expected_version: int | None = None  # noqa: A002
    ) -> int:  # fmt: skip
        self._jobs.delete(number(id), self._may(viewer, "posting"), expected_version)
        return number(id)

    def _may(self, viewer: Viewer, activity: Activity) -> int:
        """The account's id; raises Unauthenticated, or Unverified if it must prove its address first."""
        self._may_do(viewer.known, activity)
        return viewer.known

    def _applied(self, viewer: Viewer, asked: Asked, shown: Application) -> Found:
        found: Found = msgspec.to_builtins(shown)
        self._loading.complete_jobs(viewer, [*asked.at("job")], [found["job"]])
        return found


def _company(fact: CompanyFact) -> Found:
    return decode(fact.json)


def _job(viewer: Viewer, asked: Asked, shown: tuple[JobFact, CompanyFact]) -> Found:
    return posting(viewer, [asked], *shown)
