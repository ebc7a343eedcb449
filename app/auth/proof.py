"""What an account may do only after it has proven its address."""

from app.config import Activity, Settings
from app.errors import Forbidden
from app.users.service import UserService


class Unverified(Forbidden):
    """The account has not proven its address yet; a new link is sent on request."""

    code, title = "unverified", "Confirm your e-mail address first"


class AddressProof:
    """`needed_for` is empty without mail: then nothing is restricted."""

    def __init__(self, users: UserService, needed_for: frozenset[Activity]) -> None:
        self._users, self._needed_for = users, needed_for

    def require(self, user_id: int, activity: Activity) -> None:
        """Raises Unverified."""
        if activity in self._needed_for and self._users.profile(user_id).user.verified_at is None:
            raise Unverified


def address_proof(settings: Settings, users: UserService) -> AddressProof:
    """What the settings require; nothing without mail."""
    return AddressProof(users, frozenset(settings.verification_needed_for if settings.mail_url else ()))
