"""Rules of users: reads use the coherent cache, writes are published to every worker."""

from collections.abc import Sequence

import msgspec

from app.coherence import Coherence, FactCache, Kind, Position, user_key
from app.errors import NotFound, PreconditionFailed
from app.users.schemas import AccountSettings, Profile, SettingsPatch, User, UserFact
from app.users.store import UserStore
from app.web.conditions import entity_tag


class UserService:
    """Reads profiles, one or many at a time, and changes them."""

    def __init__(self, store: UserStore, coherence: Coherence) -> None:
        self._store, self._coherence = store, coherence
        self._facts: FactCache[UserFact] = coherence.users

    def profile(self, user_id: int) -> UserFact:
        """Raises NotFound."""
        fact = self._facts.load(user_id, self._read)
        if fact is None:
            raise NotFound("there is no such user")
        return fact

    def profiles(self, user_ids: Sequence[int]) -> dict[int, UserFact]:
        """Those that exist, by id; takes one pipelined read of the shared cache and at most one query."""
        return self._facts.load_many(user_ids, self._read_many)

    def change(self, user_id: int, profile: Profile, version: int | None) -> UserFact:
        """Raises PreconditionFailed if `version` is given and not the current one, NotFound if there is no user."""
        name = profile.name if isinstance(profile.name, str) else None
        headline = profile.headline if isinstance(profile.headline, str) else None
        if name is None and headline is None and version is None:
            return self.profile(user_id)
        changed = self._store.change_profile(user_id, name, headline, version)
        if changed is None:
            raise (
                PreconditionFailed("the profile has changed")
                if version is not None
                else NotFound("there is no such user")
            )
        user, xid = changed
        self._coherence.final([user_key(user_id)], xid, security=False)
        return user_fact(user)

    def settings(self, user_id: int) -> AccountSettings:
        """Read from PostgreSQL; raises NotFound."""
        return self._known(self._store.find_settings(user_id))

    def change_settings(self, user_id: int, patch: SettingsPatch) -> AccountSettings:
        """Raises NotFound."""
        return self._known(self._store.change_settings(user_id, patch))

    @staticmethod
    def _known(found: AccountSettings | None) -> AccountSettings:
        if found is None:
            raise NotFound("there is no such user")
        return found

    def remember(self, user: User, position: Position | None) -> UserFact:
        """Cache a user that was just read; `position` is the position in the log of changes before the read."""
        fact = user_fact(user)
        self._facts.put(user.id, fact, position)
        return fact

    def _read(self, user_id: int) -> UserFact | None:
        user = self._store.find(user_id)
        return None if user is None else user_fact(user)

    def _read_many(self, user_ids: Sequence[int]) -> dict[int, UserFact]:
        return {user_id: user_fact(user) for user_id, user in self._store.list_by_ids(user_ids).items()}


def user_fact(user: User) -> UserFact:
    """The cached form of a user."""
    return UserFact(user, entity_tag(user.id, user.version))


_decode = msgspec.json.Decoder(User).decode

USER_KIND: Kind[UserFact] = Kind(
    "user",
    User,
    encode=lambda fact: fact.private_json,
    decode=lambda data: user_fact(_decode(data)),
    keys=lambda user_id, _fact: (user_key(user_id),),
    size=UserFact.size,
)
