"""Whose request it is: the session and its user are read with every request, so that a logout is final."""

from typing import Any

import jwt
from django.conf import settings
from django.db.models import F
from django.db.models.functions import Now
from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.exceptions import AuthenticationFailed

from loadtest.peers.django.models import Session
from loadtest.peers.tokens import PeerTokens

TOKENS = PeerTokens(settings.SECRET_KEY)


class SessionTokens(BaseAuthentication):
    """Bearer tokens that name a session; `request.auth` becomes the session."""

    def authenticate(self, request: Any) -> tuple[Any, Any] | None:
        kind, _, token = get_authorization_header(request).decode("latin-1").partition(" ")
        if kind.lower() != "bearer":
            return None
        try:
            session_id = TOKENS.session_of(token)
        except jwt.InvalidTokenError:
            raise AuthenticationFailed("invalid token") from None
        live = Session.objects.select_related("user").filter(
            id=session_id, revoked_at=None, expires_at__gt=Now(), epoch=F("user__token_epoch"), user__disabled_at=None
        )
        session = live.first()
        if session is None:
            raise AuthenticationFailed("the session has ended")
        return session.user, session

    def authenticate_header(self, request: Any) -> str:
        return "Bearer"
