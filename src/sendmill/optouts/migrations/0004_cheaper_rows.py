"""What a row of a large file of opt-outs costs PostgreSQL and nobody needs: the look at its client, and Django's second
index of the object id, for searches by its beginning."""

import django.db.models.deletion
from django.apps.registry import Apps
from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

_INDEXES = """
SELECT indexname FROM pg_indexes
WHERE schemaname = current_schema() AND tablename = 'optouts_optout'
AND indexname LIKE 'optouts\\_optout\\_object\\_id\\_%%\\_like'
"""


def drop_index(_: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    connection = schema_editor.connection
    if connection.vendor != "postgresql":
        return
    with connection.cursor() as cursor:
        cursor.execute(_INDEXES)
        for (name,) in cursor.fetchall():
            cursor.execute(f"DROP INDEX {schema_editor.quote_name(name)}")


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0003_people_and_audit"),
        ("optouts", "0003_suppressions_and_reasons"),
    ]

    operations = [
        migrations.AlterField(
            model_name="optout",
            name="client",
            field=models.ForeignKey(
                db_constraint=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="+",
                to="accounts.client",
            ),
        ),
        migrations.RunPython(drop_index, migrations.RunPython.noop),
    ]
