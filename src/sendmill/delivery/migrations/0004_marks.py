from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('delivery', '0003_limits'),
    ]

    operations = [
        migrations.AddField(
            model_name='chunk',
            name='being_sent',
            field=models.TextField(db_default='', default=''),
        ),
    ]
