"""What each stack promises: when a logout holds, how old its answers may be, and what it does not have."""

from collections.abc import Mapping

from loadtest.peers.sides import DJANGO, FASTAPI, OURS, RUST

LOGOUT, AGE, LACKS = "logout", "age of answers", "lacks"
_STALE = "job pages up to 60 s, results of searches up to 30 s, closed postings too; profiles are read anew"
_BOTH = "rate limits, entity tags, compression, counters, request ids, audit log"

PROMISES: Mapping[str, Mapping[str, str]] = {
    OURS: {
        LOGOUT: "final everywhere",
        AGE: "never older than the last published change",
        LACKS: "",
    },
    RUST: {
        LOGOUT: "in one process; elsewhere valid for up to 2 hours",
        AGE: "profiles up to 5 minutes, job pages up to 60 s, results of searches up to 30 s, closed postings too",
        LACKS: f"{_BOTH}; ending all sessions of a user is noticed when the token expires",
    },
    FASTAPI: {
        LOGOUT: "final everywhere, for a statement with every request",
        AGE: _STALE,
        LACKS: f"{_BOTH}, a bound on waiting logins",
    },
    DJANGO: {
        LOGOUT: "final everywhere, for a statement with every request",
        AGE: _STALE,
        LACKS: f"{_BOTH}, threads that logins leave free for reads",
    },
}
