"""The fields of `Query`: each loads its objects, and what is asked below them, with few calls of the services."""

from collections.abc import Mapping, Sequence
from typing import Any, cast

import msgspec

from app.applications.schemas import Applications, Stage
from app.applications.service import PARTS
from app.errors import BadRequest
from app.graphql.asked import Asked
from app.graphql.loading import Found, Loading, Services, Viewer, decode, nodes, number, numbers, posting
from app.graphql.schema import as_parameter
from app.jobs.schemas import FIELDS, State
from app.web.pages import CURSOR_MAX, PAGE, PAGE_MAX


class Queries:
    """Each method is a field: it gets the viewer, what is asked of it, and its arguments."""

    def __init__(self, services: Services) -> None:
        self._users, self._companies = services.users, services.companies
        self._board, self._applications, self._saved = services.board, services.applications, services.saved
        self._loading = Loading(services)

    def me(self, viewer: Viewer, asked: Asked) -> Found:
        known = viewer.known
        return decode((viewer.user or self._users.profile(known)).private_json)

    def user(self, viewer: Viewer, asked: Asked, id: str) -> Found:  # noqa: A002 the argument's name
        viewer.known  # noqa: B018 needs a token
        return decode(self._users.profile(number(id)).public_json)

    def users(self, viewer: Viewer, asked: Asked, ids: Sequence[str]) -> list[Found | None]:
        viewer.known  # noqa: B018 needs a token
        wanted = numbers(ids)
        found = self._users.profiles(list(dict.fromkeys(wanted)))
        return [decode(found[each].public_json) if each in found else None for each in wanted]

    def company(self, viewer: Viewer, asked: Asked, id: str | None = None, slug: str | None = None) -> Found:  # noqa: A002
        if (id is None) == (slug is None):
            raise BadRequest("either id or slug is needed")
        fact = self._companies.company(number(id)) if id is not None else self._companies.by_slug(str(slug))
        return decode(fact.json)

    def companies(self, viewer: Viewer, asked: Asked, first: int | None = None, after: str | None = None) -> Found:
        page = self._companies.own(viewer.known, _numbered(after), _limit(first))
        found = [msgspec.to_builtins(each) for each in page.companies]
        self._loading.complete(asked, found)
        return _connection(found, page.next)

    def job(self, viewer: Viewer, asked: Asked, id: str) -> Found:  # noqa: A002
        fact, company = self._board.jobs.job(number(id), lambda: viewer.user_id)
        return posting(viewer, [asked], fact, company)

    def jobs(self, viewer: Viewer, asked: Asked, ids: Sequence[str]) -> list[Found | None]:
        wanted = numbers(ids)
        found = self._loading.open_jobs(viewer, [asked], wanted)
        return [found.get(each) for each in wanted]

    def company_jobs(
        self, viewer: Viewer, asked: Asked, company_id: str, state: list[State] | None = None,
        first: int | None = None, after: str | None = None,
    ) -> Found:  # fmt: skip
        page, following = self._board.jobs.of_company(
            number(company_id), viewer.known, state, _numbered(after), _limit(first)
        )
        found = [posting(viewer, nodes(asked), fact, company) for fact, company in page]
        return _connection(found, None if following is None else str(following))

    def search(self, viewer: Viewer, asked: Asked, **wanted: Any) -> Found:
        given = {as_parameter(name): _texts(value) for name, value in wanted.items() if value not in (None, [])}
        if asked.asks("total"):
            given["total"] = ["true"]
        if any(each.asks("description") for each in nodes(asked)):
            given["fields"] = list(FIELDS)
        body = self._board.searches.search(given, viewer.language).body
        viewer.budget.take(len(body))
        found = decode(body)
        items = found.pop("items")
        connection = _connection(items, found["next"]) | found
        for edge, item in zip(connection["edges"], items, strict=True):
            edge |= {"also_at": item["also_at"], "distance_m": item.get("distance_m")}
        self._loading.complete(asked, items)
        return connection

    def applications(self, viewer: Viewer, asked: Asked, first: int | None = None, after: str | None = None) -> Found:
        page = self._applications.own(viewer.known, _sealed(after), _limit(first))
        return self._applied(viewer, asked, page)

    def application(self, viewer: Viewer, asked: Asked, id: str) -> Found:  # noqa: A002
        parts = [each for each in PARTS if asked.asks(each)]
        found: Found = msgspec.to_builtins(self._applications.read(number(id), viewer.known, parts))
        self._loading.complete_jobs(viewer, [*asked.at("job")], [found["job"]])
        return found

    def job_applications(
        self, viewer: Viewer, asked: Asked, job_id: str, stage: list[Stage] | None = None,
        first: int | None = None, after: str | None = None,
    ) -> Found:  # fmt: skip
        page = self._applications.of_job(number(job_id), viewer.known, stage, _sealed(after), _limit(first))
        return self._applied(viewer, asked, page)

    def saved_searches(self, viewer: Viewer, asked: Asked) -> list[Found]:
        return cast("list[Found]", msgspec.to_builtins(self._saved.list_all(viewer.known).saved_searches))

    def _applied(self, viewer: Viewer, asked: Asked, page: Applications) -> Found:
        found: list[Found] = msgspec.to_builtins(page.applications)
        self._loading.complete_applications(viewer, asked, found)
        return _connection(found, page.next)


def _connection(found: Sequence[Found], following: str | None) -> Found:
    edges: list[Found] = [{"cursor": None, "node": each} for each in found]
    if edges:
        edges[-1]["cursor"] = following
    return {
        "edges": edges,
        "nodes": found,
        "page_info": {"has_next_page": following is not None, "end_cursor": following},
    }


def _limit(first: int | None) -> int:
    limit = PAGE if first is None else first
    if not 1 <= limit <= PAGE_MAX:
        raise BadRequest(f"first must be 1 to {PAGE_MAX}")
    return limit


def _numbered(after: str | None) -> int | None:
    return None if after is None else number(after)


def _sealed(after: str | None) -> str | None:
    if after is not None and len(after) > CURSOR_MAX:
        raise BadRequest("after must be endCursor of the page before")
    return after


def _texts(value: Any) -> list[str]:
    """A search's argument as the texts of a parameter."""
    if isinstance(value, list):
        return [str(each) for each in value]
    if isinstance(value, bool):
        return ["true" if value else "false"]
    if isinstance(value, Mapping):
        return [f"{value['lat']},{value['lon']}"]
    return [str(value)]
