"""The paths; Django keeps pages for a minute and results of searches for 30 seconds."""

from django.http import HttpResponse
from django.urls import path
from django.views.decorators.cache import cache_page

from loadtest.peers.django import accounts, reads

PAGES_S, RESULTS_S = 60, 30

urlpatterns = [
    path("api/v1/auth/register", accounts.Register.as_view()),
    path("api/v1/auth/login", accounts.Login.as_view()),
    path("api/v1/auth/logout", accounts.Logout.as_view()),
    path("api/v1/users/me", reads.Me.as_view()),
    path("api/v1/users/batch", reads.Batch.as_view()),
    path("api/v1/users/<int:pk>", reads.Profile.as_view()),
    path("api/v1/jobs", cache_page(RESULTS_S)(reads.Search.as_view())),
    path("api/v1/jobs/<int:pk>", cache_page(PAGES_S)(reads.Page.as_view())),
    path("api/v1/health/ready", lambda _: HttpResponse("ready")),
]
