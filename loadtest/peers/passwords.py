"""Passwords of the Python peers: bcrypt over the Base64 of their HMAC-SHA256, as in our accounts."""

import base64
import hashlib
import hmac

import bcrypt


class PeerPasswords:
    """Both methods take some 50 ms and leave the interpreter to other threads meanwhile."""

    def __init__(self, pepper: str, cost: int) -> None:
        self._key = hmac.digest(pepper.encode(), b"jobfinder passwords", hashlib.sha256)
        self._cost = cost
        self._nobody = bcrypt.gensalt(cost) + b"x" * 31

    def hash(self, password: str) -> bytes:
        return bcrypt.hashpw(self._keyed(password), bcrypt.gensalt(self._cost))

    def verify(self, password: str, known: bytes | None) -> bool:
        """None stands for an unknown address, which takes as long as a wrong password."""
        return bcrypt.checkpw(self._keyed(password), known or self._nobody) and known is not None

    def _keyed(self, password: str) -> bytes:
        return base64.b64encode(hmac.digest(self._key, password.encode(), hashlib.sha256))
