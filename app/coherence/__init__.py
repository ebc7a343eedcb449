"""Caches facts in memory and in memcached, and proves that they are still true (final logout).

PostgreSQL is authoritative. A *fact* is a value and the *position* on the change log at which it was true. One rule
(`State.proves`) decides whether it may be used, so that a loss or delay here costs time, never safety.

How the rest of the service uses it:

    kinds = Kinds(users=USER_KIND, sessions=SESSION_KIND, companies=COMPANY_KIND, jobs=JOB_KIND,
                  searches=SEARCH_KIND)
    coherence = Coherence(memcache, database, counters, tuning.cache, kinds)
    coherence.use_replicas(replicas, primary)          # facts are read there too; watched each second
    coherence.apply(tuning.cache)                      # live tuning
    coherence.drain()                                  # from the ticker, every DRAIN_EVERY_S

    fact = coherence.users.load(7, read_user)          # cache, else one call of read_user(7) for all who ask
    facts = coherence.users.load_many(ids, read_users) # one shared read, one call of read_users(missing ids) at most
    position = coherence.position()                    # before reading PostgreSQL by oneself ...
    coherence.users.put(7, value, position)            # ... to keep what was read; does nothing for position None
    coherence.put(position, (coherence.users, 7, value), (coherence.sessions, 8, other))  # several, in one write
    coherence.users.get(7), .get_many(ids)             # what can be had without PostgreSQL

    page = coherence.pages.find(7)                     # what was made of facts, while all of them are proven
    coherence.pages.put(7, page, keys, position, ends_at)

    session_id in coherence.ended_sessions             # known to have ended; says nothing about others
    coherence.ended_sessions.add(session_id)           # only of what can never live again

    coherence.final([user_key(7)], xid, security=True)  # after the commit of transaction xid, before the answer

`final` returns once no worker of any pod uses anything read before the commit; after 8 s without success it raises
`errors.NotFinal` for `security` writes, which those of all that searches show are as well, and returns for others,
which are published later. Triggers of the tables insert into `outbox` what any transaction changes, so that also what
others write by SQL is heard within about 3 s. The rows of the transaction `xid`, whose keys the caller names, are
deleted here; None where nothing was changed, as in a retry.

A `Kind` says how values of one sort are kept:

    USER_KIND = Kind("user", User, encode=encode_user, decode=decode_user, keys=lambda id, user: (user_key(id),))
    SESSION_KIND = Kind("session", SessionFact, encode=..., decode=...,
                        keys=lambda id, fact: (session_key(id), user_key(fact.user_id)),
                        expires_at=lambda fact: fact.expires_at)

The second argument is the type that is encoded: workers share values only with workers that know the same fields.
`encode` gives bytes, `decode` takes them back (raising ValueError or msgspec.DecodeError for what it cannot read),
`keys` names every change that would make the value false, `expires_at` is in seconds since 1970.
"""

from app.coherence.facade import Coherence, Kinds
from app.coherence.facts.derived import DerivedCache
from app.coherence.facts.fact_cache import FactCache
from app.coherence.facts.shared import Kind
from app.coherence.keys import ANYWHERE_KEY, catalogue_key, company_key, job_key, session_key, user_key
from app.coherence.log.history import Position
from app.coherence.publisher import DRAIN_EVERY_S

__all__ = [
    "ANYWHERE_KEY",
    "DRAIN_EVERY_S",
    "Coherence",
    "DerivedCache",
    "FactCache",
    "Kind",
    "Kinds",
    "Position",
    "catalogue_key",
    "company_key",
    "job_key",
    "session_key",
    "user_key",
]
