"""What a backup is: a folder with the database, the secret key, and `manifest.json`, which says what they are.

    manifest.json         format, version, moment, migrations; size and SHA-256 of every file
    database.sqlite3      or database.dump, as pg_dump's custom format
    secret-key            unless SENDMILL_SECRET_KEY is set

Files and folder can be read by their owner only.
"""

import hashlib
import hmac
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

import sendmill
from sendmill.errors import SendmillError

FORMAT = 1
MANIFEST = "manifest.json"
SECRET_KEY = "secret-key"  # noqa: S105 - the name of a file
DATABASES = {"sqlite": "database.sqlite3", "postgresql": "database.dump"}


class BackupError(SendmillError):
    """A backup can't be made or used; the text says why."""


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file of a backup."""

    name: str
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """`made_at` is before the first row was read: what changed later may be missing. `migrations` are `app.name`."""

    format: int
    version: str
    made_at: str
    database: str
    migrations: list[str]
    key_fingerprint: str
    files: list[StoredFile]

    @property
    def moment(self) -> datetime:
        return datetime.fromisoformat(self.made_at)


def write_manifest(
    folder: Path, made_at: datetime, database: str, migrations: Sequence[str], secret_key: str
) -> Manifest:
    """Describe the files that lie in the folder."""
    files = [_described(path) for path in sorted(folder.iterdir())]
    manifest = Manifest(
        format=FORMAT,
        version=sendmill.__version__,
        made_at=made_at.astimezone(UTC).isoformat(timespec="milliseconds"),
        database=database,
        migrations=sorted(migrations),
        key_fingerprint=key_fingerprint(secret_key),
        files=files,
    )
    path = folder / MANIFEST
    path.touch(mode=0o600)
    path.write_text(json.dumps(asdict(manifest), indent=1) + "\n")
    return manifest


def read_manifest(folder: Path) -> Manifest:
    """The manifest of a backup, each of whose files is there and as it was written. Raises BackupError."""
    try:
        told = json.loads((folder / MANIFEST).read_text())
        if told["format"] != FORMAT:
            raise BackupError(f"{folder} was made by another version of Sendmill ({told['version']}): format unknown.")
        manifest = Manifest(**{**told, "files": [StoredFile(**file) for file in told["files"]]})
    except OSError as error:
        raise BackupError(f"{folder} is no backup: {MANIFEST} can't be read ({error.strerror}).") from None
    except (ValueError, KeyError, TypeError):
        raise BackupError(f"{folder} is no backup: {MANIFEST} is damaged.") from None
    for file in manifest.files:
        _check(folder / Path(file.name).name, file)
    if manifest.database not in DATABASES or DATABASES[manifest.database] not in {file.name for file in manifest.files}:
        raise BackupError(f"{folder} has no database in it.")
    return manifest


def key_fingerprint(secret_key: str) -> str:
    """Tells two secret keys apart, and says nothing else of them."""
    return hmac.digest(secret_key.encode(), b"sendmill backup", "sha256").hex()[:16]


def _described(path: Path) -> StoredFile:
    with path.open("rb") as file:
        return StoredFile(path.name, path.stat().st_size, hashlib.file_digest(file, "sha256").hexdigest())


def _check(path: Path, told: StoredFile) -> None:
    try:
        found = _described(path)
    except OSError as error:
        raise BackupError(f"{path} can't be read: {error.strerror}.") from None
    if found != told:
        raise BackupError(f"{path} is damaged: it is not what the backup's manifest says.")
