"""The service's own tables, as far as the benchmark needs them; Django does not migrate them."""

from typing import Any

from django.contrib.postgres.search import SearchVectorField
from django.db import models
from django.db.models.functions import Now


class StoredJson(models.JSONField):
    """A column of the type json, which psycopg has parsed already."""

    def from_db_value(self, value: Any, expression: Any, connection: Any) -> Any:
        return value


class Account(models.Model):
    """A user."""

    id = models.BigAutoField(primary_key=True)
    email = models.TextField(unique=True)
    password_hash = models.BinaryField()
    name = models.TextField()
    headline = models.TextField(default="")
    token_epoch = models.IntegerField(default=0)
    version = models.IntegerField(default=1)
    created_at = models.DateTimeField(db_default=Now())
    updated_at = models.DateTimeField(db_default=Now())
    disabled_at = models.DateTimeField(null=True)
    is_authenticated = True

    class Meta:
        managed = False
        db_table = "users"


class Session(models.Model):
    """From a login to a logout."""

    id = models.BigAutoField(primary_key=True)
    user = models.ForeignKey(Account, models.CASCADE)
    epoch = models.IntegerField()
    family = models.BinaryField()
    refresh_hash = models.BinaryField()
    expires_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True)

    class Meta:
        managed = False
        db_table = "sessions"


class Company(models.Model):
    """A company."""

    id = models.BigAutoField(primary_key=True)
    slug = models.TextField()
    name = models.TextField()
    verified = models.BooleanField()

    class Meta:
        managed = False
        db_table = "companies"


class Posting(models.Model):
    """A posting without its texts."""

    id = models.BigAutoField(primary_key=True)
    company = models.ForeignKey(Company, models.CASCADE)
    state = models.TextField()
    shown = models.BooleanField()
    version = models.IntegerField()
    published_at = models.DateTimeField(null=True)
    valid_through = models.DateTimeField()
    first_seen_at = models.DateTimeField()
    content_changed_at = models.DateTimeField()
    title_tsv = SearchVectorField()
    body_tsv = SearchVectorField()

    class Meta:
        managed = False
        db_table = "posting"


class PostingText(models.Model):
    """The texts of a posting."""

    posting = models.OneToOneField(Posting, models.CASCADE, primary_key=True, related_name="text")
    title = models.TextField()
    description = models.TextField()
    detail = StoredJson()

    class Meta:
        managed = False
        db_table = "posting_text"
