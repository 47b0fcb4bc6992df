"""The check of migrations says yes to what adds and no to what the version before could not live with."""

import pytest
from django.db import migrations, models
from django.db.migrations.operations.base import Operation
from django.db.migrations.state import ModelState, ProjectState
from scripts.check_migrations import LANDED, own_migrations, problems

EXPANDING: list[Operation] = [
    migrations.AddField("thing", "note", models.TextField(null=True)),
    migrations.AddField("thing", "note", models.TextField(db_default="")),
    migrations.AlterField("thing", "name", models.CharField(max_length=20)),
    migrations.AlterField("thing", "name", models.TextField()),
    migrations.AlterField("thing", "size", models.IntegerField(null=True)),
    migrations.AddIndex("thing", models.Index(fields=["size"], name="things_by_size")),
    migrations.CreateModel("Other", [("id", models.BigAutoField(primary_key=True))]),
    migrations.RunSQL("UPDATE app_thing SET size = 1 WHERE size IS NULL"),
]
CONTRACTING: list[Operation] = [
    migrations.RemoveField("thing", "size"),
    migrations.RenameField("thing", "size", "length"),
    migrations.RenameModel("Thing", "Item"),
    migrations.DeleteModel("Thing"),
    migrations.AlterModelTable("thing", "things"),
    migrations.AddField("thing", "note", models.TextField(default="")),
    migrations.AlterField("thing", "name", models.CharField(max_length=5)),
    migrations.AlterField("thing", "size", models.BooleanField()),
    migrations.AlterField("thing", "weight", models.FloatField()),
    migrations.AlterField("thing", "name", models.CharField(max_length=10, unique=True)),
    migrations.AddConstraint("thing", models.UniqueConstraint(fields=["size"], name="one_of_a_size")),
    migrations.RunSQL("ALTER TABLE app_thing DROP COLUMN size"),
    migrations.SeparateDatabaseAndState([migrations.RemoveField("thing", "size")]),
]


def problems_of(*operations: Operation, contracts: str = "") -> list[str]:
    state = ProjectState()
    fields = [
        ("id", models.BigAutoField(primary_key=True)),
        ("name", models.CharField(max_length=10)),
        ("size", models.IntegerField()),
        ("weight", models.FloatField(null=True)),
    ]
    state.add_model(ModelState("app", "Thing", fields))
    migration = migrations.Migration("0002_change", "app")
    migration.operations = list(operations)
    migration.contracts = contracts  # type: ignore[attr-defined] # what the check looks for
    return problems("app.0002_change", migration, state)


@pytest.mark.parametrize("operation", EXPANDING, ids=lambda operation: operation.describe())
def test_what_adds_may_be(operation: Operation) -> None:
    assert problems_of(operation) == []


@pytest.mark.parametrize("operation", CONTRACTING, ids=lambda operation: operation.describe())
def test_what_takes_away_may_not_be_unless_it_says_why(operation: Operation) -> None:
    [problem] = problems_of(operation)
    assert problem.startswith(f"app.0002_change: {operation.describe()}: ")
    assert problems_of(operation, contracts="0.2.0 has no sizes") == []


def test_a_table_of_the_same_migration_may_be_made_as_it_likes() -> None:
    made = migrations.CreateModel("Other", [("id", models.BigAutoField(primary_key=True))])
    assert problems_of(made, migrations.AddField("other", "note", models.TextField())) == []


def test_the_products_migrations_are_looked_at() -> None:
    names = {name for name, _, _ in own_migrations()}
    assert "contacts.0002_import_jobs" in names and names >= LANDED
