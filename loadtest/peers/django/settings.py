"""The settings of Django, from the environment of the Rust peer."""

import os
from typing import Any

SECRET_KEY = os.environ["JWT_SECRET"]
PEPPER, BCRYPT_COST = os.environ["PEPPER"], int(os.environ["BCRYPT_COST"])
ALLOWED_HOSTS = ["127.0.0.1"]
ROOT_URLCONF = "loadtest.peers.django.urls"
APPEND_SLASH = False
USE_TZ = True
USE_I18N = False
INSTALLED_APPS = ["django.contrib.postgres", "rest_framework", "loadtest.peers.django.apps.PeerConfig"]
MIDDLEWARE = ["django.middleware.security.SecurityMiddleware", "django.middleware.common.CommonMiddleware"]
DATABASES: dict[str, Any] = {
    "default": {
        "ENGINE": "django.db.backends.postgresql",
        "HOST": os.environ["PGHOST"],
        "PORT": os.environ["PGPORT"],
        "USER": os.environ["PGUSER"],
        "NAME": os.environ["PGDATABASE"],
        "CONN_MAX_AGE": None,
    }
}
CACHES = {
    "default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache", "OPTIONS": {"MAX_ENTRIES": 20_000}},
}
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["loadtest.peers.django.authentication.SessionTokens"],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "UNAUTHENTICATED_USER": None,
}
