"""Cached postings, and their JSON in responses, which includes the company."""

import time
from sys import getsizeof

import msgspec

from app.coherence import Kind, company_key, job_key
from app.companies.schemas import CompanyFact
from app.jobs.results import UNLESS_ASKED
from app.jobs.schemas import ALL_FIELDS, FIELDS, Posting, State

_encode = msgspec.json.Encoder().encode
_OWN = (
    "id",
    "title",
    "description",
    "state",
    "published_at",
    "valid_through",
    "first_seen_at",
    "content_changed_at",
    "version",
    "taken_down",
)
QUOTE = '"'
BRIEF = tuple(name for name in FIELDS if name != "company" and name not in UNLESS_ASKED)
"""The fields of a result unless others are asked for; each posting has their JSON at hand."""

_UNDESCRIBED = tuple(name for name in ALL_FIELDS if name not in ("company", "description"))

NEVER_S = 10 * 365 * 86_400.0


class JobFact:
    """A posting with the JSON of each field except the company; it is not found after `ends_at`."""

    __slots__ = ("_brief", "_fields", "_mark", "ends_at", "posting")

    def __init__(self, posting: Posting, ends_at: float) -> None:
        """`ends_at` is in seconds since 1970 by this machine's clock."""
        self.posting, self.ends_at = posting, ends_at
        said = msgspec.structs.asdict(posting.detail)
        values = {
            name: getattr(posting, name) if name in _OWN else said[name] for name in ALL_FIELDS if name != "company"
        }
        if posting.state == "open" and ends_at <= time.time():
            values["state"] = "expired"
        self._mark = ".expired" if values["state"] == "expired" else ""
        self._fields = {name: _encode({name: value})[1:-1] for name, value in values.items()}
        self._brief = self._joined(BRIEF)

    @property
    def found(self) -> bool:
        """Whether it is open and has not expired."""
        return self.posting.state == "open" and self.ends_at > time.time()

    @property
    def state(self) -> State:
        """The state now: the stored one may still be `open` after the posting has expired."""
        posting = self.posting
        return "expired" if posting.state == "open" and not self.found else posting.state

    def json(self, company: CompanyFact) -> bytes:
        """All fields."""
        return b'{"company":' + company.brief_json + b"," + b",".join(self._fields.values()) + b"}"

    def undescribed(self, company: CompanyFact) -> bytes:
        """All fields but the description."""
        return self.some(company, _UNDESCRIBED) + b"}"

    def some(self, company: CompanyFact, names: tuple[str, ...]) -> bytes:
        """Some fields, without the closing brace, so that the caller can add more."""
        return b'{"company":' + company.brief_json + b"," + (self._brief if names is BRIEF else self._joined(names))

    def _joined(self, names: tuple[str, ...]) -> bytes:
        return b",".join([self._fields[name] for name in names])

    def tag(self, company: CompanyFact) -> str:
        """The last number is the posting's version, which a change is conditional on; expiry does not change it."""
        return f'"{self.posting.id}.{company.tag.strip(QUOTE)}{self._mark}-{self.posting.version}"'


def shown_fields(asked: tuple[str, ...]) -> tuple[str, ...]:
    """The fields of a result except the company: `asked` with id and title; if empty, all except the description."""
    if not asked:
        return BRIEF
    return tuple(name for name in FIELDS if name in ("id", "title") or (name in asked and name != "company"))


def job_fact(posting: Posting, left_s: float, asked_at: float) -> JobFact:
    """`left_s` is the number of seconds until the posting expires, counted by the database after `asked_at`.

    So the fact ends too early by the time between the two, and never too late.
    """
    return JobFact(posting, asked_at + left_s)


def _decoded(data: bytes) -> JobFact:
    posting, ends_at = msgspec.json.decode(data, type=tuple[Posting, float])
    return JobFact(posting, ends_at)


def _expires_at(fact: JobFact) -> float:
    """When the fact must be dropped: expiry is not published, so an open posting is dropped a second before it."""
    return fact.ends_at + 1.0 if fact.posting.state == "open" and fact.ends_at > time.time() else time.time() + NEVER_S


def _size(fact: JobFact) -> int:
    """The description twice, as text and as JSON; an item of a list costs more than its JSON."""
    detail = fact.posting.detail
    items = (detail.eligible_countries, detail.skills, detail.places, detail.apply.questions)
    told = sum(map(len, fact._fields.values()))
    described = len(fact._fields["description"])
    return 1_500 + getsizeof(fact.posting.description) + described + 5 * (told - described) + 60 * sum(map(len, items))


JOB_KIND: Kind[JobFact] = Kind(
    "job",
    tuple[Posting, float],
    encode=lambda fact: _encode((fact.posting, fact.ends_at)),
    decode=_decoded,
    keys=lambda job_id, fact: (job_key(job_id), company_key(fact.posting.company_id)),
    expires_at=_expires_at,
    size=_size,
)
