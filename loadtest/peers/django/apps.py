"""The application, under a label that Django has not taken."""

from django.apps import AppConfig


class PeerConfig(AppConfig):
    """Its models are tables that the service's migrations have made."""

    name = "loadtest.peers.django"
    label = "peer"
