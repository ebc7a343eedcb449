"""Profiles, which are read from the database with every request, and open postings, which `urls` caches."""

from typing import Any

from django.contrib.postgres.search import SearchQuery as Words
from django.contrib.postgres.search import SearchRank
from django.db.models import F
from django.db.models.functions import Now
from django.utils import timezone
from rest_framework.exceptions import ValidationError
from rest_framework.generics import RetrieveAPIView
from rest_framework.response import Response
from rest_framework.views import APIView

from loadtest.peers.django.models import Account, Posting
from loadtest.peers.django.serializers import (
    FoundSerializer,
    PageSerializer,
    PublicUserSerializer,
    SearchQuery,
    UserSerializer,
)

BATCH_MAX, COUNTED_MAX = 100, 10_000
PUBLIC = ("id", "name", "headline", "created_at")


class Me(APIView):
    """GET /users/me."""

    def get(self, request: Any) -> Response:
        return Response(UserSerializer(request.user).data)


class Profile(RetrieveAPIView):
    """GET /users/{id}."""

    queryset = Account.objects.only(*PUBLIC)
    serializer_class = PublicUserSerializer


class Batch(APIView):
    """GET /users/batch?ids=1,2."""

    def get(self, request: Any) -> Response:
        try:
            asked = [int(each) for each in request.query_params.get("ids", "").split(",")]
        except ValueError:
            raise ValidationError("ids must be comma-separated integers") from None
        if len(asked) > BATCH_MAX:
            raise ValidationError(f"ids must name at most {BATCH_MAX}")
        known = Account.objects.only(*PUBLIC).in_bulk(asked)
        found = PublicUserSerializer([known[each] for each in asked if each in known], many=True).data
        return Response({"users": found, "missing": [each for each in asked if each not in known]})


class Page(RetrieveAPIView):
    """GET /jobs/{id}."""

    authentication_classes = permission_classes = ()
    serializer_class = PageSerializer

    def get_queryset(self) -> Any:
        shown = Posting.objects.filter(state="open", valid_through__gt=Now())
        return shown.select_related("company", "text").defer("title_tsv", "body_tsv")


class Search(APIView):
    """GET /jobs?q=words."""

    authentication_classes = permission_classes = ()

    def get(self, request: Any) -> Response:
        asked = SearchQuery(data=request.query_params)
        asked.is_valid(raise_exception=True)
        first, limit = asked.validated_data["offset"], asked.validated_data["limit"]
        words = Words(asked.validated_data["q"].lower(), config="simple")
        matching = Posting.objects.filter(shown=True, body_tsv=words, valid_through__gt=Now())
        ranked = matching.order_by(SearchRank(F("title_tsv"), words).desc(), "-published_at", "-id")
        rows = ranked.select_related("company", "text").defer("title_tsv", "body_tsv", "text__description")
        items = FoundSerializer(rows[first : first + limit], many=True).data
        count, end = matching[: COUNTED_MAX + 1].count(), first + len(items)
        return Response(
            {
                "items": items,
                "next": str(end) if end < count else None,
                "total": {"value": min(count, COUNTED_MAX), "exact": count <= COUNTED_MAX},
                "facets": [],
                "corrections": [],
                "conversions": {"hours_per_year": 2080, "rates_of": "2026-10-30"},
                "as_of": timezone.now(),
            }
        )
