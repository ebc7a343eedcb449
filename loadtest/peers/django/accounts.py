"""Registration, login and logout."""

import hashlib
import secrets
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import IntegrityError
from django.db.models.functions import Now
from django.utils import timezone
from rest_framework.exceptions import APIException, AuthenticationFailed
from rest_framework.response import Response
from rest_framework.views import APIView

from loadtest.peers.django.authentication import TOKENS
from loadtest.peers.django.models import Account, Session
from loadtest.peers.django.serializers import Credentials, Registration, UserSerializer
from loadtest.peers.passwords import PeerPasswords
from loadtest.peers.tokens import LIFE_S

PASSWORDS = PeerPasswords(settings.PEPPER, settings.BCRYPT_COST)
SESSION = timedelta(days=14)


class Taken(APIException):
    """There is an account with this address."""

    status_code = 409
    default_detail = __doc__


class Register(APIView):
    """POST /auth/register."""

    authentication_classes = permission_classes = ()

    def post(self, request: Any) -> Response:
        given = _valid(Registration(data=request.data))
        hashed = PASSWORDS.hash(given["password"])
        try:
            account = Account.objects.create(email=given["email"].lower(), password_hash=hashed, name=given["name"])
        except IntegrityError:
            raise Taken from None
        return Response(UserSerializer(account).data, 201)


class Login(APIView):
    """POST /auth/login."""

    authentication_classes = permission_classes = ()

    def post(self, request: Any) -> Response:
        given = _valid(Credentials(data=request.data))
        account = Account.objects.filter(email=given["email"].lower(), disabled_at=None).first()
        known = None if account is None else bytes(account.password_hash)
        if not PASSWORDS.verify(given["password"], known):
            raise AuthenticationFailed("the address or the password is wrong")
        secret = secrets.token_urlsafe(32)
        session = Session.objects.create(
            user=account,
            epoch=account.token_epoch,
            family=secrets.token_bytes(16),
            refresh_hash=hashlib.sha256(secret.encode()).digest(),
            expires_at=timezone.now() + SESSION,
        )
        issued = {"access_token": TOKENS.issue(account.id, session.id), "refresh_token": secret}
        return Response(issued | {"token_type": "Bearer", "expires_in": LIFE_S})


class Logout(APIView):
    """POST /auth/logout."""

    def post(self, request: Any) -> Response:
        Session.objects.filter(id=request.auth.id, revoked_at=None).update(revoked_at=Now())
        return Response(status=204)


def _valid(serializer: Any) -> dict[str, Any]:
    serializer.is_valid(raise_exception=True)
    found: dict[str, Any] = serializer.validated_data
    return found
