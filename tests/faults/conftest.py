"""Faults are tried on the same real server and mail server as the end-to-end tests."""

from tests.end_to_end.conftest import new_server, pytest_runtest_makereport, server, sink

__all__ = ["new_server", "pytest_runtest_makereport", "server", "sink"]
