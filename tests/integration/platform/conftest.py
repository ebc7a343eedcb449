"""The pods of the finality tests."""

from tests.integration.finality.conftest import cache_servers, pods, shared, whole

__all__ = ["cache_servers", "pods", "shared", "whole"]
