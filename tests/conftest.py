"""The environment every test runs in: a data folder of its own, and the database SENDMILL_DATABASE_URL names.

Django is set up here and not through pyproject.toml, because pytest-django would load the settings before this file
could say where the data folder is.
"""

import os
import shutil
import signal
import tempfile
from pathlib import Path

import django
import hypothesis
import pytest

# A developer's own settings are no part of a test; what the test run itself sets is.
_KEPT = ("SENDMILL_DATABASE_URL", "SENDMILL_REQUIRE_ALL")
for _name in [name for name in os.environ if name.startswith("SENDMILL_") and name not in _KEPT]:
    del os.environ[_name]

_data_folder = Path(tempfile.mkdtemp(prefix="sendmill-tests-"))
os.environ["SENDMILL_DATA"] = str(_data_folder)
os.environ["DJANGO_SETTINGS_MODULE"] = "sendmill.settings"
django.setup()

# Started in the background of a shell, this process ignores Ctrl-C, and so would every server that a test starts.
signal.signal(signal.SIGINT, signal.default_int_handler)

# No deadline: on a busy machine the time of one example says nothing.
hypothesis.settings.register_profile("sendmill", max_examples=60, deadline=None)
hypothesis.settings.load_profile("sendmill")


def pytest_configure(config: pytest.Config) -> None:
    """Keeps xdist's workers from inheriting the settings module: each has to pass through this file first."""
    is_worker = hasattr(config, "workerinput")
    if not is_worker and config.getoption("numprocesses", None):
        del os.environ["DJANGO_SETTINGS_MODULE"]


def pytest_unconfigure(config: pytest.Config) -> None:
    shutil.rmtree(_data_folder, ignore_errors=True)
