from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("contacts", "0003_pages")]

    operations = [
        migrations.AlterField(
            model_name="import",
            name="kind",
            field=models.CharField(
                choices=[
                    ("replace", "Replace"),
                    ("update", "Update"),
                    ("delete", "Delete"),
                    ("stage", "Stage"),
                    ("optout_add", "Optout Add"),
                    ("optout_delete", "Optout Delete"),
                ],
                max_length=20,
            ),
        ),
        migrations.AlterField(
            model_name="import",
            name="state",
            field=models.CharField(
                choices=[
                    ("waiting", "Waiting"),
                    ("receiving", "Receiving"),
                    ("staged", "Staged"),
                    ("applying", "Applying"),
                    ("done", "Done"),
                    ("failed", "Failed"),
                ],
                default="receiving",
                max_length=10,
            ),
        ),
    ]
