"""The session check of every request with a token; while the lease holds, it needs no network exchange."""

import time
from collections.abc import Callable

import msgspec

from app.auth.schemas import SessionFact
from app.auth.store import AuthStore
from app.auth.tokens import AccessTokens, Claims
from app.coherence import Coherence, Kind, session_key, user_key
from app.errors import InvalidToken
from app.infra.relying import relying
from app.users.schemas import UserFact
from app.users.service import UserService

TOUCH_SECONDS = 240.0


SESSION_KIND: Kind[SessionFact] = Kind(
    "session",
    SessionFact,
    encode=msgspec.json.Encoder().encode,
    decode=msgspec.json.Decoder(SessionFact).decode,
    keys=lambda session_id, fact: (session_key(session_id), user_key(fact.user_id)),
    expires_at=lambda fact: fact.expires_at,
)


class Identity(msgspec.Struct, eq=False):
    """The user and session of a request; `user` is set if this request has read it from PostgreSQL."""

    user_id: int
    session_id: int
    user: UserFact | None = None


class Gate:
    """Accepts tokens of live sessions; raises InvalidToken for all others."""

    def __init__(
        self, store: AuthStore, tokens: AccessTokens, coherence: Coherence, users: UserService,
        clock: Callable[[], float] = time.time,
    ) -> None:  # fmt: skip
        self._store, self._tokens, self._coherence, self._users, self._clock = store, tokens, coherence, users, clock
        self._sessions, self._ended_sessions = coherence.sessions, coherence.ended_sessions
        self._has_ended = self._ended_sessions.__contains__  # `in` costs more than this call

    def admit(self, token: str) -> Identity:
        claims = self._tokens.verify(token)
        session_id = claims.session_id
        if self._has_ended(session_id):
            raise InvalidToken("the session has ended")
        identity = Identity(claims.user_id, session_id)
        fact = self._sessions.load(session_id, lambda key: self._find(key, identity))
        now = self._clock()
        if fact is None or fact.user_id != claims.user_id or fact.expires_at <= now:
            self._bury(claims, fact)
        elif now - fact.last_seen_at > TOUCH_SECONDS:
            fact.last_seen_at = now
            self._store.touch_session(session_id)
        part = relying.get()
        if part is not None and fact is not None:
            part.end_at(min(claims.expires_at, fact.expires_at, fact.last_seen_at + TOUCH_SECONDS))
        return identity

    def _find(self, session_id: int, identity: Identity) -> SessionFact | None:
        position = self._coherence.position()
        found = self._store.find_session(session_id)
        if found is None:
            return None
        identity.user = self._users.remember(found.user, position)
        return found.session

    def _bury(self, claims: Claims, fact: SessionFact | None) -> None:
        if fact is None:
            self._ended_sessions.add(claims.session_id)
        raise InvalidToken("the session has ended")
