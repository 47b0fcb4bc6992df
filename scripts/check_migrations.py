"""Checks that nodes of the version before can go on working while, and after, a migration is applied.

A rolling upgrade expands first and contracts later: a migration adds what the new version needs, and only the version
after that takes away what nobody uses any more. So a migration may not drop, rename or narrow anything, nor add a
column that the older version's INSERT, which doesn't name it, can't fill. One that contracts says why nobody needs the
thing any more, in an attribute of its class:

    contracts = "0.2.0 neither reads nor writes the column"

Prints every problem; exit status 1 if there is one.
"""

import os
import re
import sys
from collections.abc import Iterator

import django
from django.db import migrations, models
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.operations.base import Operation
from django.db.migrations.state import ProjectState

# Landed before this check was there. It renames Django's names alone: table and column keep theirs.
LANDED = {"delivery.0003_limits"}

_TAKES_AWAY = (
    migrations.RemoveField,
    migrations.RenameField,
    migrations.DeleteModel,
    migrations.RenameModel,
    migrations.AlterModelTable,
)
_SQL_THAT_TAKES_AWAY = re.compile(
    r"\b(DROP|RENAME|TRUNCATE|SET\s+NOT\s+NULL|ALTER\s+COLUMN\s+\S+\s+TYPE)\b", re.IGNORECASE
)
_TEXT = (models.CharField, models.TextField)


def main() -> int:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "sendmill.settings")
    django.setup()
    found = [
        problem
        for name, migration, state in own_migrations()
        if name not in LANDED
        for problem in problems(name, migration, state)
    ]
    for problem in found:
        print(problem)
    return 1 if found else 0


def own_migrations() -> Iterator[tuple[str, migrations.Migration, ProjectState]]:
    """Every migration of this product that isn't an app's first, its name, and the state that it begins with."""
    loader = MigrationLoader(None)
    for key in sorted(loader.disk_migrations):
        migration = loader.disk_migrations[key]
        if migration.__module__.startswith("sendmill.") and not migration.initial:
            state = loader.project_state([key], at_end=False)
            yield ".".join(key), migration, state


def problems(name: str, migration: migrations.Migration, state: ProjectState) -> list[str]:
    """What of a migration the version before could not live with. `state` is what was before it, and is changed."""
    if getattr(migration, "contracts", ""):
        return []
    found = []
    created: set[str] = set()
    for operation in migration.operations:
        if isinstance(operation, migrations.CreateModel):
            created.add(operation.name_lower)
        elif getattr(operation, "model_name_lower", "") not in created:
            reason = _problem(operation, migration.app_label, state)
            if reason:
                found.append(f"{name}: {operation.describe()}: {reason}")
        operation.state_forwards(migration.app_label, state)
    return found


def _problem(operation: Operation, app: str, state: ProjectState) -> str:
    """Why the version before could not live with it; nothing if it can."""
    match operation:
        case _ if isinstance(operation, _TAKES_AWAY):
            return "the version before still uses it"
        case migrations.AddField() if not _fills_itself(operation.field):
            return "the version before doesn't name it in its INSERT: it needs null=True or db_default"
        case migrations.AlterField():
            before = state.models[app, operation.model_name_lower].fields[operation.name]
            return _narrowing(before, operation.field)
        case migrations.AddConstraint():
            return "the version before may write rows that it forbids"
        case migrations.AlterUniqueTogether() if operation.option_value:
            return "the version before may write rows that it forbids"
        case migrations.RunSQL() if _SQL_THAT_TAKES_AWAY.search(str(operation.sql)):
            return "its SQL takes something away"
        case migrations.SeparateDatabaseAndState():
            parts = (_problem(part, app, state) for part in operation.database_operations)
            return "; ".join(filter(None, parts))
    return ""


def _fills_itself(field: models.Field) -> bool:
    return bool(field.null or field.many_to_many or field.has_db_default())


def _narrowing(before: models.Field, after: models.Field) -> str:
    if before.null and not after.null:
        return "the version before may write NULL"
    if after.unique and not before.unique:
        return "the version before may write rows that it forbids"
    if before.has_db_default() and not _fills_itself(after):
        return "the version before leaves it to the database's default"
    if type(before) is not type(after) and not (isinstance(before, _TEXT) and isinstance(after, models.TextField)):
        return "the version before expects the old type"
    if (after.max_length or sys.maxsize) < (before.max_length or sys.maxsize):
        return "the version before may write longer text"
    return ""


if __name__ == "__main__":
    sys.exit(main())
