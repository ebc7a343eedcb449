"""Rules of requests that a schema cannot express, each as a predicate: whether the sent data break it."""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from app.jobs.codes.salaries import shipped_rates

Sent = Mapping[str, Any]
"""The fields of the body, or the parameters of the query."""


def _places(sent: Sent) -> list[dict[str, Any]]:
    return list(sent.get("places") or [])


def _half_located(sent: Sent) -> bool:
    return any((place.get("lat") is None) != (place.get("lon") is None) for place in _places(sent))


def _of(name: str) -> Callable[[Sent], dict[str, Any]]:
    return lambda sent: sent.get(name) or {}


_salary, _apply = _of("salary"), _of("apply")


def _past(sent: Sent) -> bool:
    """A time that is not surely in the future."""
    text = str(sent["valid_through"]).upper().replace("Z", "+00:00")
    try:
        return datetime.fromisoformat(text) < datetime.now(UTC) + timedelta(days=1)
    except ValueError:
        return text < f"{datetime.now(UTC):%Y-%m-%d}~"


def _lacks(*names: str) -> Callable[[Sent], bool]:
    return lambda sent: any(name not in sent for name in names)


def _true(_: Sent) -> bool:
    return True


RULES: dict[tuple[str, str], Callable[[Sent], bool]] = {
    ("time_zone", "invalid"): _true,
    ("password", "common_password"): _true,
    ("password", "resembles_email"): _true,
    ("new", "common_password"): _true,
    ("new", "resembles_email"): _true,
    # Cleaning can leave nothing; a text that begins with a word outside of markup stays.
    ("description", "invalid"): lambda sent: not re.match(r"\s*\w", str(sent["description"])),
    ("places.0.lat", "incomplete"): _half_located,
    ("places.0.lon", "incomplete"): _half_located,
    ("eligible_countries", "not_remote"): lambda sent: sent.get("workplace") != "remote",
    ("salary", "incomplete"): lambda sent: _salary(sent).get("min") is None and _salary(sent).get("max") is None,
    ("salary.min", "above_max"): lambda sent: _salary(sent)["min"] > _salary(sent)["max"],
    ("apply.target", "invalid"): lambda sent: _apply(sent).get("kind") in ("url", "email"),
    ("apply.target", "unknown"): lambda sent: _apply(sent).get("kind", "internal") == "internal",
    ("apply.questions", "unknown"): lambda sent: _apply(sent).get("kind") in ("url", "email"),
    ("valid_through", "in_the_past"): _past,
    ("cv", "not_a_pdf"): _true,
    ("answers.0.question", "unknown"): _true,
    ("answers.0.question", "repeated"): _true,
    ("q", "no_words"): lambda sent: not re.match(r"[a-z0-9]{2}", str(sent["q"])),
    ("near", "invalid"): lambda sent: any(abs(float(part)) > 90 for part in str(sent["near"]).split(",")),
    ("cursor", "invalid"): _true,
    ("radius_km", "incomplete"): _lacks("near"),
    ("sort", "incomplete"): _lacks("near", "q"),
    ("salary_min", "incomplete"): _lacks("salary_currency"),
    ("salary_currency", "incomplete"): _lacks("salary_min"),
    ("salary_unit", "incomplete"): _lacks("salary_min"),
    ("query", "invalid"): _true,
    ("seen_at", "in_the_future"): lambda sent: "seen_at" in sent,
    ("salary_currency", "no_rate"): lambda sent: sent["salary_currency"] not in shipped_rates().per_euro,
}


def unsayable(field: str, code: str, sent: Sent) -> bool:
    """Whether a refusal of valid data is right: it names a rule, and the data break it."""
    if field.startswith("query."):
        return True  # the rules of a search's parameters are those of GET /jobs
    broken = RULES.get((re.sub(r"\.[0-9]+", ".0", field), code))
    return broken is not None and broken(sent)


def consistent(posting: Sent) -> dict[str, Any]:
    """A generated posting that keeps the rules: values that contradict each other are changed, all others stay."""
    found = dict(posting)
    if "description" in found:
        found["description"] = "<p>You care.</p>"
    if "valid_through" in found:
        found["valid_through"] = "2199-01-01T00:00:00Z"
    if found.get("eligible_countries"):
        found["workplace"] = "remote"
    elif found.get("workplace", "remote") != "remote":
        found["eligible_countries"] = []
    found |= {name: [_located(place) for place in found[name]] for name in ("places",) if name in found}
    found |= {name: _paid(found[name]) for name in ("salary",) if found.get(name)}
    found |= {name: _applied(found[name]) for name in ("apply",) if name in found}
    return found


def _located(place: dict[str, Any]) -> dict[str, Any]:
    half = (place.get("lat") is None) != (place.get("lon") is None)
    return place | {"lat": 1, "lon": 1} if half else place


def _paid(salary: dict[str, Any]) -> dict[str, Any]:
    amounts = sorted(amount for amount in (salary.get("min"), salary.get("max")) if amount is not None)
    return salary | {"min": min(amounts, default=1), "max": max(amounts, default=1)}


def _applied(apply: dict[str, Any]) -> dict[str, Any]:
    targets = {"url": "https://acme.example/jobs/1", "email": "jobs@acme.example"}
    target = targets.get(apply.get("kind", "internal"))
    return apply | {"target": target} | ({"questions": []} if target else {})
