import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('delivery', '0002_retries_and_reports'),
    ]

    operations = [
        # Only the names in the code change: the table and its column stay as running nodes know them.
        migrations.AlterModelTable(name='relaybudget', table='delivery_relaybudget'),
        migrations.AlterField(
            model_name='relaybudget',
            name='relay',
            field=models.CharField(db_column='relay', max_length=400, unique=True),
        ),
        migrations.RenameField(model_name='relaybudget', old_name='relay', new_name='key'),
        migrations.RenameModel(old_name='RelayBudget', new_name='TokenBucket'),
        migrations.CreateModel(
            name='Limit',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('kind', models.CharField(max_length=10)),
                ('name', models.CharField(max_length=320)),
                ('rate', models.FloatField(null=True)),
                ('connections', models.PositiveIntegerField(null=True)),
                ('weight', models.PositiveIntegerField(default=1)),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('kind', 'name'), name='one_limit_per_name')],
            },
        ),
        migrations.CreateModel(
            name='SlotHolding',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('owner', models.CharField(max_length=120)),
                ('held', models.PositiveIntegerField(default=0)),
                ('wanted', models.PositiveIntegerField(default=0)),
                ('renewed_ms', models.BigIntegerField(default=0)),
                ('limit', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='holdings', to='delivery.limit')),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('limit', 'owner'), name='one_holding_per_worker')],
            },
        ),
    ]
