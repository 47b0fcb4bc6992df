"""Components that a test needs: on a developer's machine it is skipped without one, where all are required it fails."""

import os

import pytest


def needs(is_there: object, what: str) -> None:
    """Skip the test without `what`, or fail it if SENDMILL_REQUIRE_ALL is 1."""
    if not is_there:
        leave = pytest.fail if os.environ.get("SENDMILL_REQUIRE_ALL") == "1" else pytest.skip
        leave(f"{what} is missing")
