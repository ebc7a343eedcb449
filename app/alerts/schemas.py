"""Shapes of saved searches in requests and responses."""

from datetime import datetime
from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from app.jobs.results import Found, Total
from app.jobs.schemas import Moment
from app.users.schemas import Id
from app.web.texts import people_text

QUERY_MAX = 2_000

Frequency = Literal["instant", "daily", "weekly", "off"]
Outcome = Literal["sent", "sending", "dropped", "due", "off", "no_match", "earlier", "not_found"]

SearchName = Annotated[str, people_text(1, 120, "Nurse in Berlin")]
Query = Annotated[
    str,
    Meta(
        max_length=QUERY_MAX,
        pattern=r"^[!-~]*\Z",
        description="parameters of `GET /jobs` as they stand behind the `?`, percent-encoded, except those of a page",
        examples=["q=nurse&country=DE&employment_type=part_time"],
    ),
]


class SavedSearch(Struct, frozen=True):
    """A saved search; matches that were published after `seen_at` count as new. Times are UTC."""

    id: Id
    name: str
    query: str
    frequency: Frequency
    seen_at: datetime
    created_at: datetime
    updated_at: datetime
    version: int


class SavedSearches(Struct, frozen=True):
    """All saved searches of an account, by ascending id."""

    saved_searches: list[SavedSearch]


class NewSavedSearch(Struct, forbid_unknown_fields=True):
    """The body of a new saved search; `frequency` is that of mails about new matches."""

    name: SearchName
    query: Query
    frequency: Frequency = "off"


class SavedSearchPatch(Struct, forbid_unknown_fields=True):
    """The fields to change (RFC 7396); `seen_at` is usually the `as_of` of the page that the user has seen."""

    name: SearchName | UnsetType = UNSET
    query: Query | UnsetType = UNSET
    frequency: Frequency | UnsetType = UNSET
    seen_at: Moment | UnsetType = UNSET


class PreviewAsked(Struct, forbid_unknown_fields=True):
    """The query to try."""

    query: Query


class Preview(Found, frozen=True):
    """What a search finds before it is saved: the query as it would be saved, all matches, and those of 7 days."""

    query: str
    of_7_days: Total


class Matches(Found, frozen=True):
    """A page of matches, and how many of all are new."""

    new: Total
    seen_at: datetime


class Clause(Struct, frozen=True):
    """Parameters of the query that must hold together, and whether they do."""

    parameters: list[str]
    holds: bool


class Alert(Struct, frozen=True):
    """What became of the alert about a posting, or about near-duplicates of it.

    `sent`: by the digest. `sending`: the digest is made, its mail is not sent yet. `dropped`: the digest is not sent,
    for `reason`. `due`: it comes with the next digest, if it is still found then. `off`: the search alerts nobody.
    `no_match`: it was not opened, and did not begin to match. `earlier`: it matched before the search was changed or
    began to alert. `not_found`: when the digest was made, it was closed or the search did not find it.
    """

    outcome: Outcome
    matched_at: datetime | None
    digest_id: Id | None
    digest_at: datetime | None
    sent_at: datetime | None
    reason: str | None


class Unsubscription(Struct, forbid_unknown_fields=True):
    """The token of the link that a digest brought."""

    token: Annotated[str, Meta(min_length=1, max_length=100)]


class Explanation(Struct, frozen=True):
    """Why a saved search finds a posting, or does not.

    `shown_as` is the posting in whose place a near-duplicate is found; null if it is found itself.
    """

    job_id: Id
    shown_as: Id | None
    found: bool
    clauses: list[Clause]
    alert: Alert
