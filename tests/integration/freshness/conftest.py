"""The pods of this folder."""

from tests.pods.fixtures import cache_servers, pods, shared, whole

__all__ = ["cache_servers", "pods", "shared", "whole"]
