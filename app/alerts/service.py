"""Rules of saved searches: each belongs to one account, and finds what the same search of `GET /jobs` finds."""

from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import msgspec
from msgspec import UNSET

from app.alerts import store
from app.alerts.digests.store import DigestStore
from app.alerts.queries import clauses_of, parsed, refuse_too_broad, saved_form
from app.alerts.schemas import Clause, Explanation, NewSavedSearch, SavedSearch, SavedSearches, SavedSearchPatch
from app.alerts.store import SavedSearchStore
from app.alerts.unsubscribing import UnsubscribeTokens
from app.auth.links.letters import NoMail
from app.errors import Conflict, FieldError, Gone, Invalid, NotFound, PreconditionFailed
from app.jobs.board import Board
from app.jobs.results import Total
from app.web.conditions import entity_tag

SEARCHES_MAX = 50
PREVIEWED = 5
_encode = msgspec.json.Encoder().encode


class TooManySearches(Conflict):
    """The account already has SEARCHES_MAX saved searches."""

    code, title = "too_many_searches", "The account has too many saved searches"


@dataclass(frozen=True, slots=True)
class Alerts:
    """What ends alerts; `on` is whether mail is configured, without which there are none."""

    digests: DigestStore
    tokens: UnsubscribeTokens
    on: bool


class SavedSearchService:
    """`lang` is always the language of words of a query that names none."""

    def __init__(self, searches: SavedSearchStore, board: Board, alerts: Alerts) -> None:
        self._store, self._found, self._jobs, self._alerts = searches, board.searches, board.jobs, alerts

    def create(self, user_id: int, new: NewSavedSearch, lang: str) -> SavedSearch:
        """Raises Invalid, NoMail or TooManySearches."""
        query = saved_form(new.query, lang)
        if new.frequency != "off":
            self._require_alerts(query)
        with self._store.transaction() as transaction:
            count = store.count(transaction, user_id)
            if count is None:
                raise NotFound("there is no such user")
            if count >= SEARCHES_MAX:
                raise TooManySearches(f"at most {SEARCHES_MAX} for an account")
            return store.insert(transaction, user_id, new.name, query, new.frequency)

    def list_all(self, user_id: int) -> SavedSearches:
        """All of an account."""
        return SavedSearches(self._store.list_all(user_id))

    def one(self, user_id: int, search_id: int) -> SavedSearch:
        """Raises NotFound, also for the search of somebody else."""
        found = self._store.find(user_id, search_id)
        if found is None:
            raise NotFound("there is no such saved search")
        return found

    def change(
        self, user_id: int, search_id: int, patch: SavedSearchPatch, version: int | None, lang: str
    ) -> SavedSearch:
        """Raises NotFound, Invalid, NoMail, or PreconditionFailed if `version` is not the current one."""
        before = self.one(user_id, search_id)
        values = {name: value for name in store.CHANGEABLE if (value := getattr(patch, name)) is not UNSET}
        if "query" in values:
            values["query"] = saved_form(values["query"], lang)
        if "seen_at" in values and values["seen_at"] > datetime.now(UTC):
            raise Invalid([FieldError("seen_at", "in_the_future", "nothing has been seen that comes later")])
        if not values:
            return before
        if values.get("frequency", before.frequency) != "off" and {"query", "frequency"} & values.keys():
            self._require_alerts(values.get("query", before.query))
        changed = self._store.change(user_id, search_id, values, version)
        if changed is None:
            self.one(user_id, search_id)
            raise PreconditionFailed
        return changed

    def delete(self, user_id: int, search_id: int, version: int | None) -> None:
        """Raises NotFound, or PreconditionFailed if `version` is not the current one."""
        if not self._store.delete(user_id, search_id, version):
            self.one(user_id, search_id)
            raise PreconditionFailed

    def matches(self, user_id: int, search_id: int, limit: list[str] | None, cursor: list[str] | None) -> bytes:
        """The JSON of a page (`schemas.Matches`); raises NotFound or Invalid."""
        search = self.one(user_id, search_id)
        given = parsed(search.query)
        new = self._found.count_since(given, search.seen_at)
        asked = {name: value for name, value in (("limit", limit), ("cursor", cursor)) if value is not None}
        return _beside(self._found.search({**given, **asked}, "").body, {"new": new, "seen_at": search.seen_at})

    def explain(self, user_id: int, search_id: int, job_id: int) -> Explanation:
        """Clause by clause why the search finds a posting, or not, even if it has ended; raises NotFound or Invalid."""
        search = self.one(user_id, search_id)
        with suppress(Gone):
            self._jobs.job(job_id, lambda: user_id)
        given = parsed(search.query)
        clauses = clauses_of(given)
        held = self._found.held([given, *clauses], job_id)
        shown, (found, *each) = held or (None, [False] * (1 + len(clauses)))
        told = [Clause(list(clause), holds) for clause, holds in zip(clauses, each, strict=True)]
        alert = self._store.alert_of(user_id, search_id, job_id)
        if alert is None:
            raise NotFound("the search or the posting is gone")
        return Explanation(job_id, None if shown == job_id else shown, found, told, alert)

    def unsubscribe(self, token: str) -> None:
        """End the alerts that a digest's link ends, if they have not ended; raises InvalidToken."""
        stopped = self._alerts.tokens.read(token)
        self._alerts.digests.stop(stopped.user_id, stopped.search_id)

    def preview(self, query: str, lang: str) -> bytes:
        """The JSON of what the search would find (`schemas.Preview`); raises Invalid."""
        saved = saved_form(query, lang)
        given = parsed(saved)
        recent = self._found.count_since(given, datetime.now(UTC) - timedelta(days=7))
        page = self._found.search({**given, "limit": [str(PREVIEWED)], "total": ["true"]}, "")
        return _beside(page.body, {"query": saved, "of_7_days": recent})

    def _require_alerts(self, query: str) -> None:
        """Raises NoMail, or Invalid for a query that is too broad."""
        if not self._alerts.on:
            raise NoMail
        refuse_too_broad(query)


def tag_of(search: SavedSearch) -> str:
    """The entity tag of a saved search."""
    return entity_tag(search.id, search.version)


def _beside(page: bytes, more: dict[str, str | datetime | Total]) -> bytes:
    """A page with further members."""
    return _encode(more)[:-1] + b"," + page[1:]
