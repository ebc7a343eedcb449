"""What requests must have and answers have, with the names of our API."""

from typing import Any

from rest_framework import serializers

from loadtest.peers.django.models import Account, Company, Posting


class Credentials(serializers.Serializer):
    """Of a login."""

    email = serializers.EmailField()
    password = serializers.CharField(trim_whitespace=False)


class Registration(serializers.Serializer):
    """Of a new account."""

    email = serializers.EmailField()
    password = serializers.CharField(min_length=8, max_length=256, trim_whitespace=False)
    name = serializers.CharField()


class SearchQuery(serializers.Serializer):
    """The parameters of a search."""

    q = serializers.CharField()
    limit = serializers.IntegerField(min_value=1, max_value=100, default=20)
    offset = serializers.IntegerField(min_value=0, default=0)


class UserSerializer(serializers.ModelSerializer):
    """A user as its owner sees it."""

    class Meta:
        model = Account
        fields = ("id", "email", "name", "headline", "created_at", "updated_at", "version")


class PublicUserSerializer(serializers.ModelSerializer):
    """A user as others see it."""

    class Meta:
        model = Account
        fields = ("id", "name", "headline", "created_at")


class CompanySerializer(serializers.ModelSerializer):
    """The company of a posting."""

    class Meta:
        model = Company
        fields = ("id", "slug", "name", "verified")


class FoundSerializer(serializers.ModelSerializer):
    """A posting among results, with the fields of its detail beside the others."""

    company = CompanySerializer()
    title = serializers.CharField(source="text.title")

    class Meta:
        model = Posting
        fields: Any = (
            "id", "company", "title", "state", "published_at", "valid_through", "first_seen_at", "content_changed_at",
            "version",
        )  # fmt: skip

    def to_representation(self, instance: Any) -> dict[str, Any]:
        return {**super().to_representation(instance), **instance.text.detail, "also_at": []}


class PageSerializer(FoundSerializer):
    """A posting's page."""

    description = serializers.CharField(source="text.description")

    class Meta(FoundSerializer.Meta):
        fields: Any = (*FoundSerializer.Meta.fields, "description")

    def to_representation(self, instance: Any) -> dict[str, Any]:
        found = super().to_representation(instance)
        del found["also_at"]
        return {**found, "taken_down": None}
