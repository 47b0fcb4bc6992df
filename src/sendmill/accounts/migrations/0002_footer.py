from django.db import migrations, models


class Migration(migrations.Migration):
    """New clients have the footer. Those there are don't: an update doesn't change what their programs send."""

    dependencies = [
        ("accounts", "0001_initial"),
    ]

    operations = [
        migrations.AddField(
            model_name="client",
            name="adds_footer",
            field=models.BooleanField(db_default=False, default=False),
        ),
        migrations.AlterField(
            model_name="client",
            name="adds_footer",
            field=models.BooleanField(db_default=True, default=True),
        ),
        migrations.AddField(
            model_name="client",
            name="postal_address",
            field=models.TextField(db_default="", default=""),
        ),
        migrations.AddField(
            model_name="client",
            name="language",
            field=models.CharField(db_default="en", default="en", max_length=10),
        ),
    ]
