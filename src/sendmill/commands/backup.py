"""`sendmill backup` and `sendmill restore`."""

import json
import os
import shutil
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from django.conf import settings
from django.db import connection, transaction
from django.db.migrations.loader import MigrationLoader
from django.utils import timezone

from sendmill import schema
from sendmill.accounts.models import Kind
from sendmill.backups import manifest as manifests
from sendmill.backups import postgresql, sqlite
from sendmill.backups.manifest import DATABASES, SECRET_KEY, BackupError, Manifest
from sendmill.commands import audit
from sendmill.commands.preconditions import keep_servers_out
from sendmill.delivery.relays import parse_relays
from sendmill.delivery.restored import DeliveryIds, InDoubt, Settled, Witnesses, read_journals, read_log, settle

# Backup -------------------------------------------------------------------------------------------------------------


def back_up(path: Path, as_json: bool) -> int:
    """Write a backup to a new folder, while the server runs."""
    if path.exists():
        raise BackupError(f"{path} is there already: a backup is a new folder.")
    schema.require_not_restoring()
    began, made_at = time.monotonic(), timezone.now()
    draft = path.with_name(f"{path.name}.incomplete")
    try:
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(mode=0o700, parents=True)
        _copy_database(draft / DATABASES[connection.vendor])
        _copy_secret_key(draft)
        applied = [".".join(name) for name in MigrationLoader(connection).applied_migrations]
        manifest = manifests.write_manifest(draft, made_at, connection.vendor, applied, settings.SECRET_KEY)
        os.sync()  # a backup that is named so is on the disk
        draft.rename(path)
    except OSError as error:
        raise BackupError(f"{path} can't be written: {error.strerror}.") from None
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    size = sum(file.bytes for file in manifest.files)
    if as_json:
        print(json.dumps({"path": str(path), "made_at": manifest.made_at, "bytes": size}))
    else:
        print(f"{path}: {size / 1e6:.1f} MB in {time.monotonic() - began:.1f} s, as of {manifest.made_at}")
        if not (path / SECRET_KEY).exists():
            print("SENDMILL_SECRET_KEY is not in it: keep that by yourself.")
    return 0


def _copy_database(to: Path) -> None:
    if connection.vendor == "postgresql":
        postgresql.dump(to)
    else:
        sqlite.copy(Path(settings.DATABASES["default"]["NAME"]), to, _shown_progress())


def _copy_secret_key(folder: Path) -> None:
    generated = settings.SENDMILL_DATA / SECRET_KEY
    if generated.exists() and generated.read_text().strip() == settings.SECRET_KEY:
        copied = folder / SECRET_KEY
        copied.touch(mode=0o600)
        copied.write_text(settings.SECRET_KEY + "\n")


def _shown_progress() -> Callable[[float], None]:
    """Shows how much is copied, on a terminal."""
    shown = -1

    def show(part: float) -> None:
        nonlocal shown
        if sys.stderr.isatty() and int(100 * part) != shown:
            shown = int(100 * part)
            print(f"\r{shown} % copied", end="\n" if shown == 100 else "", file=sys.stderr, flush=True)

    return show


# Restore ------------------------------------------------------------------------------------------------------------


def restore(path: Path, in_doubt: InDoubt, sent_log: Path | None, replaces: bool, as_json: bool) -> int:
    """Put a backup in the place of an empty database, and settle what it leaves open.

    Nothing that is there is deleted: with `replaces` it gets another name.
    """
    stamp = timezone.now().strftime("%Y%m%d%H%M%S")
    manifest = manifests.read_manifest(path)
    _require_fitting(manifest, path)
    witnesses = Witnesses(_read_log(sent_log), read_journals(settings.SENDMILL_DATA / "journals"))
    keep_servers_out()
    aside = _put_database(path, replaces, stamp)
    aside += _put_secret_key(path, stamp)
    migrated = schema.apply_pending()
    settled = settle(witnesses, in_doubt, settings.SENDMILL_RETRY_SECONDS, timezone.now())
    _end_restoring(manifest, in_doubt)
    if as_json:
        print(json.dumps({"made_at": manifest.made_at, "set_aside": aside, "campaigns": list(map(asdict, settled))}))
    else:
        print("\n".join(_report(manifest, migrated, aside, settled, in_doubt)))
    return 0


def _require_fitting(manifest: Manifest, path: Path) -> None:
    """Raises BackupError if this database or this version can't take the backup, before anything is touched."""
    if manifest.database != connection.vendor:
        raise BackupError(f"{path} is a backup of {manifest.database}, and this is {connection.vendor}.")
    known = {".".join(name) for name in MigrationLoader(None).disk_migrations}
    unknown = sorted(set(manifest.migrations) - known)
    if unknown:
        raise BackupError(f"{path} was made by a newer version of Sendmill ({manifest.version}: {unknown[0]}).")
    # The generated key is restored with the rest. One that is set counts all the same, so it has to fit.
    takes_key = (path / SECRET_KEY).exists() and not settings.SENDMILL_SECRET_KEY_IS_SET
    known_keys = map(manifests.key_fingerprint, (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS))
    if not takes_key and manifest.key_fingerprint not in known_keys:
        raise BackupError(
            "The secret key is not the one that the backup was made with, and neither is one of "
            "SENDMILL_SECRET_KEY_FALLBACKS: links in mail, DKIM keys and erasures need it."
        )
    parse_relays(settings.SENDMILL_SMTP_URL)
    if connection.vendor == "postgresql":
        postgresql.require_readable(path / DATABASES["postgresql"])


def _read_log(path: Path | None) -> DeliveryIds:
    if path is None:
        return DeliveryIds()
    try:
        with path.open("rb") as file:
            return read_log(file)
    except OSError as error:
        raise BackupError(f"{path} can't be read: {error.strerror}.") from None


def _put_database(path: Path, replaces: bool, stamp: str) -> list[str]:
    """Put the backup's database where nobody else uses it and nothing is, or no more; what was set aside for that.

    With it, or before it, comes the marker that keeps servers out: never is there an empty database, on which one would
    begin anew.
    """
    marker = f"CREATE TABLE {schema.RESTORING_TABLE} (version integer)"
    stored = path / DATABASES[connection.vendor]
    if connection.vendor == "postgresql":
        postgresql.require_unused()
        is_empty = postgresql.is_empty()
        _require_room(is_empty, replaces)
        with transaction.atomic(), connection.cursor() as cursor:
            aside = [] if is_empty else [postgresql.set_aside(stamp)]
            cursor.execute(marker)
        postgresql.load(stored)
        return aside
    database = Path(settings.DATABASES["default"]["NAME"])
    is_empty = sqlite.is_empty(database)
    _require_room(is_empty, replaces)
    if not is_empty:
        sqlite.require_unused(database)
    connection.close()
    draft = sqlite.prepare(stored, database, marker)
    aside = [] if is_empty else [str(sqlite.set_aside(database, stamp))]
    sqlite.put_in_place(draft, database)
    return aside


def _require_room(is_empty: bool, replaces: bool) -> None:
    if not is_empty and not replaces:
        raise BackupError("The database is not empty. With --replace, what is in it gets another name.")


def _put_secret_key(path: Path, stamp: str) -> list[str]:
    """Put the backup's key where the generated one is; what was set aside for that."""
    stored, place = path / SECRET_KEY, settings.SENDMILL_DATA / SECRET_KEY
    if not stored.exists() or (place.exists() and place.read_text().strip() == stored.read_text().strip()):
        return []
    aside = []
    if place.exists():
        kept = place.with_name(f"{SECRET_KEY}.replaced-{stamp}")
        place.rename(kept)
        aside.append(str(kept))
    place.touch(mode=0o600)
    place.write_text(stored.read_text())
    return aside


@transaction.atomic
def _end_restoring(manifest: Manifest, in_doubt: InDoubt) -> None:
    audit.record(None, Kind.SETTINGS, "restored a backup", f"as of {manifest.made_at}, in doubt: {in_doubt}")
    with connection.cursor() as cursor:
        cursor.execute(f"DROP TABLE {schema.RESTORING_TABLE}")


def _report(
    manifest: Manifest, migrated: list[str], aside: list[str], settled: list[Settled], in_doubt: InDoubt
) -> list[str]:
    lines = [f"Restored the database as it was at {manifest.made_at} (Sendmill {manifest.version})."]
    lines += [f"{len(migrated)} migrations applied."] if migrated else []
    lines += [f"What was there before is kept as {name}." for name in aside]
    at_stake = sum(campaign.at_stake for campaign in settled)
    for campaign in settled:
        name = "".join(character if character.isprintable() else " " for character in campaign.name)
        lines.append(f"{campaign.object_id}  {name}")
        if campaign.is_due:
            lines.append(
                f"  {campaign.status}  had not started then and has come due since: may have been sent meanwhile"
            )
            continue
        lines.append(
            f"  {campaign.status}  {campaign.at_stake} may have been sent since, {campaign.in_doubt} were being sent, "
            f"{campaign.delivered} known to be delivered, {campaign.held} held"
        )
    if in_doubt == "pause" and any(campaign.status == "paused" for campaign in settled):
        lines.append(
            f"{at_stake} messages are at stake. A paused campaign that is resumed sends to all of its open recipients, "
            "whether they got the message since or not; one that is cancelled sends to none of them."
        )
    lines.append(
        "What came in after that moment is not in it: campaigns, lists, opt-outs, and erasures. "
        "Add opt-outs and erasures again before anything is resumed."
    )
    return lines
