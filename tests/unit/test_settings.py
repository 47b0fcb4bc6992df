"""Settings: the table and its page agree, a wrong value is one line, and secrets stay where they are."""

import os
import re
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from sendmill import logs
from sendmill.errors import SettingError
from sendmill.settings import SETTINGS, Setting, _read

OPERATING = Path(__file__).parents[2] / "docs" / "operating.md"
TOKEN = "9944b09199c62bcf9418ad846dd0e4bbdfc6ee4b"

#: For each setting a value that nobody could mean. Any text is a key, so that one has none.
WRONG = {
    "SENDMILL_DATA": "/dev/null/data",
    "SENDMILL_DATABASE_URL": "mysql://user:hunter2@host/name",
    "SENDMILL_SMTP_URL": "smtp://user:hunter2@mail.test?tls=perhaps",
    "SENDMILL_BIND": "8080",
    "SENDMILL_PUBLIC_URL": "ftp://example.com",
    "SENDMILL_WORKERS": "0",
    "SENDMILL_IN_DOUBT": "maybe",
    "SENDMILL_RETRY_SECONDS": "60,,300",
    "SENDMILL_EXPIRY_SECONDS": "two days",
    "SENDMILL_LEASE_SECONDS": "-1",
    "SENDMILL_KEEP_RESULTS_DAYS": "a year",
    "SENDMILL_KEEP_IMPORTS_DAYS": "0",
    "SENDMILL_KEEP_AUDIT_DAYS": "0",
    "SENDMILL_MAX_UPLOAD": "1 GiB",
    "SENDMILL_DNS_SERVERS": "dns.example.com",
    "SENDMILL_METRICS_TOKEN": "too short",
    "SENDMILL_NOTICE_SENDER": "Zoe <zoe@cafe.test>",
    "SENDMILL_OIDC_ISSUER": "accounts.example.com",
    "SENDMILL_LOG_LEVEL": "loud",
    "SENDMILL_LOG_FORMAT": "xml",
}
FURTHER_WRONG = [
    *(("SENDMILL_BIND", value) for value in ("host:", ":8080", "host:0", "host:65536", "host:http", "host:８０")),
    *(("SENDMILL_WORKERS", value) for value in ("-1", "1.5", "many", "²")),
    *(("SENDMILL_LEASE_SECONDS", value) for value in ("0", "nan", "inf", "1e10", "30s")),
    *(("SENDMILL_RETRY_SECONDS", value) for value in (",", "60,0", "60;300")),
    *(
        ("SENDMILL_PUBLIC_URL", value)
        for value in (
            "example.com",
            "http://",
            "javascript:alert(1)",
            "https://a.example/?b=1",
            'https://a.example/"><b>',
        )
    ),
    *(("SENDMILL_MAX_UPLOAD", value) for value in ("0", "-5", "1e9")),
    *(("SENDMILL_DNS_SERVERS", value) for value in ("192.0.2.1:0", "192.0.2.1:dns", "192.0.2.256", "[::1")),
]


def sendmill(*arguments: str, folder: Path, **settings: str) -> subprocess.CompletedProcess[str]:
    """`sendmill …` with these settings and no others, beside the data folder."""
    own = {name: value for name, value in os.environ.items() if not name.startswith(("SENDMILL_", "DJANGO_"))}
    return subprocess.run(
        [sys.executable, "-m", "sendmill.cli", *arguments],
        env={**own, "SENDMILL_DATA": str(folder), **settings},
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=20, check=False,
    )  # fmt: skip


def test_the_page_has_the_table() -> None:
    documented = re.findall(r"^\| `(SENDMILL_\w+)` \| (.*) \| (.*) \|$", OPERATING.read_text(), re.MULTILINE)
    assert documented == [
        (setting.name, shown_default(setting), setting.help.replace("|", r"\|")) for setting in SETTINGS
    ]


def shown_default(setting: Setting) -> str:
    """A default as the page writes it. The number of cores is another on every machine."""
    if setting.name == "SENDMILL_WORKERS":
        assert setting.default == str(os.cpu_count())
        return "number of cores"
    return f"`{setting.default}`" if setting.default else "empty"


def test_every_setting_has_a_wrong_value_here() -> None:
    assert set(WRONG) == {setting.name for setting in SETTINGS} - {
        "SENDMILL_SECRET_KEY",
        "SENDMILL_SECRET_KEY_FALLBACKS",
        "SENDMILL_OIDC_CLIENT_ID",
        "SENDMILL_OIDC_CLIENT_SECRET",
        "SENDMILL_OIDC_NAME",
    }


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_value_is_one_line(name: str, tmp_path: Path) -> None:
    ended = sendmill("run", folder=tmp_path, **{name: WRONG[name]})
    assert ended.returncode == 2, ended.stderr
    assert ended.stderr.startswith(f"sendmill: {name}: ") and ended.stderr.count("\n") == 1, ended.stderr
    assert not ended.stdout
    assert "hunter2" not in ended.stderr


@pytest.mark.parametrize(("name", "value"), FURTHER_WRONG)
def test_a_wrong_value_is_not_taken(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    (setting,) = [setting for setting in SETTINGS if setting.name == name]
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingError, match=f"^{name}: "):
        _read(setting)


def test_an_empty_value_is_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    for setting in SETTINGS:
        monkeypatch.delenv(setting.name, raising=False)
        default = _read(setting)
        monkeypatch.setenv(setting.name, "  ")
        assert _read(setting) == default


def test_a_database_url_that_is_half_right_is_one_line(tmp_path: Path) -> None:
    for url in ("postgresql://host:99999/name", "postgresql://host/", "postgresql://[::1/name", "sqlite:///file"):
        ended = sendmill("doctor", folder=tmp_path, SENDMILL_DATABASE_URL=url)
        assert (ended.returncode, ended.stderr.count("\n")) == (2, 1), (url, ended.stderr)
        assert ended.stderr.startswith("sendmill: SENDMILL_DATABASE_URL: "), ended.stderr


def test_a_database_that_does_not_answer_is_one_line(tmp_path: Path) -> None:
    url = "postgresql://user:hunter2@127.0.0.1:1/name"
    ended = sendmill("migrate", folder=tmp_path, SENDMILL_DATABASE_URL=url)
    assert (ended.returncode, ended.stderr.count("\n")) == (1, 1), ended.stderr
    assert ended.stderr.startswith("sendmill: The database can't be used: ")
    assert "hunter2" not in ended.stderr


def test_a_data_folder_that_may_not_be_written_is_one_line(tmp_path: Path) -> None:
    in_the_way = tmp_path / "file"
    in_the_way.write_text("not a folder")
    ended = sendmill("migrate", folder=in_the_way)
    assert (ended.returncode, ended.stderr.count("\n")) == (2, 1), ended.stderr
    assert ended.stderr.startswith(f"sendmill: SENDMILL_DATA: {in_the_way}")


def test_the_secret_key_is_made_once_and_for_its_owner_alone(tmp_path: Path) -> None:
    read_key = "from sendmill.settings import SECRET_KEY; print(SECRET_KEY)"

    def key(**settings: str) -> str:
        own = {name: value for name, value in os.environ.items() if not name.startswith("SENDMILL_")}
        environment = {**own, "SENDMILL_DATA": str(tmp_path), **settings}
        return subprocess.run(
            [sys.executable, "-c", read_key], env=environment, capture_output=True, text=True, check=True
        ).stdout.strip()

    # Processes that start at once on a new folder agree on one key.
    with ThreadPoolExecutor(6) as pool:
        keys = set(pool.map(lambda _: key(), range(6)))
    assert len(keys) == 1
    (made,) = keys
    assert re.fullmatch(r"[0-9a-f]{64}", made)
    file = tmp_path / "secret-key"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith("secret-key")] == ["secret-key"]
    file.write_text("another")
    assert key() == "another"
    assert key(SENDMILL_SECRET_KEY="given") == "given"


@pytest.mark.parametrize("content", [b"", b" \n", b"\xff\xfe"])
def test_a_secret_key_that_is_none_is_one_line(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "secret-key").write_bytes(content)
    ended = sendmill("migrate", folder=tmp_path)
    assert (ended.returncode, ended.stderr.count("\n")) == (2, 1), ended.stderr
    assert f"{tmp_path / 'secret-key'} is empty or damaged" in ended.stderr


@pytest.mark.parametrize(
    ("event", "shown"),
    [
        ({"password": "hunter2"}, {"password": "(hidden)"}),
        ({"api_token": "abc", "Authorization": "Token abc"}, {"api_token": "(hidden)", "Authorization": "(hidden)"}),
        ({"SECRET_KEY": b"abc", "cookies": ["abc"]}, {"SECRET_KEY": "(hidden)", "cookies": "(hidden)"}),
        ({"url": "smtp://user:hunter2@host:25"}, {"url": "smtp://(hidden)@host:25"}),
        ({"event": f"Token {TOKEN} refused"}, {"event": "Token (hidden) refused"}),
        ({"event": "Forbidden: /invitation/aB-_9/"}, {"event": "Forbidden: /invitation/(hidden)/"}),
        ({"path": "/password/1-abc-def/"}, {"path": "/password/(hidden)/"}),
        ({"path": "/u/aB-_9"}, {"path": "/u/(hidden)"}),
        ({"path": "/mail/v/aB-_9"}, {"path": "/mail/v/(hidden)"}),
        ({"path": "/subscribe-again/aB-_9"}, {"path": "/subscribe-again/(hidden)"}),
        ({"path": "/email/optout/", "event": "/password/"}, {"path": "/email/optout/", "event": "/password/"}),
        ({"campaign": "57bb010e2cd5264797b017e5", "count": 3}, {"campaign": "57bb010e2cd5264797b017e5", "count": 3}),
    ],
)
def test_secrets_are_hidden(event: dict[str, object], shown: dict[str, object]) -> None:
    assert logs.hide_secrets(None, "info", event) == shown


def test_no_log_line_has_a_secret() -> None:
    log_everything = f"""
import logging, structlog
from sendmill import logs
logs.configure("debug", "json")
structlog.get_logger().info("a.event", password="hunter2", note="postgresql://me:hunter2@host/name", plain="seen")
logging.getLogger("library").warning("Token %s for smtp://me:hunter2@host", "{TOKEN}")
try:
    raise ValueError("postgresql://me:hunter2@host/name is down")
except ValueError:
    structlog.get_logger().exception("a.failure")
"""
    ended = subprocess.run([sys.executable, "-c", log_everything], capture_output=True, text=True, check=True)
    lines = ended.stderr.splitlines()
    assert len(lines) == 3 and "seen" in lines[0] and "is down" in lines[2]
    assert "hunter2" not in ended.stderr and TOKEN not in ended.stderr
