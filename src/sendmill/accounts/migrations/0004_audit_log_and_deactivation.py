import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ("accounts", "0003_people_and_audit"),
    ]

    operations = [
        # The column keeps its name: nodes of the version before go on writing to it.
        migrations.SeparateDatabaseAndState(
            state_operations=[
                migrations.AlterField(
                    model_name="auditentry",
                    name="email",
                    field=models.CharField(blank=True, db_column="email", max_length=254),
                ),
                migrations.RenameField(model_name="auditentry", old_name="email", new_name="actor"),
            ],
        ),
        migrations.CreateModel(
            name='PasswordRequest',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('email', models.EmailField(max_length=254)),
                ('asked_on', models.DateTimeField()),
                ('next_try_on', models.DateTimeField()),
            ],
        ),
        migrations.AddField(
            model_name='auditentry',
            name='kind',
            field=models.CharField(blank=True, choices=[('campaigns', 'Campaigns'), ('messages', 'Messages'), ('contacts', 'Contacts'), ('optouts', 'Opt-outs'), ('senders', 'Senders and DKIM keys'), ('people', 'People and roles'), ('tokens', 'API tokens'), ('settings', 'Settings and limits'), ('sign-in', 'Sign-in')], db_default='', default='', max_length=10),
        ),
        migrations.AddField(
            model_name='auditentry',
            name='token',
            field=models.CharField(blank=True, db_default='', default='', max_length=254),
        ),
        migrations.AddField(
            model_name='auditentry',
            name='via',
            field=models.CharField(choices=[('dashboard', 'Dashboard'), ('api', 'API'), ('command', 'Command line')], db_default='dashboard', default='dashboard', max_length=10),
        ),
        migrations.AddField(
            model_name='user',
            name='deactivations',
            field=models.PositiveIntegerField(db_default=0, default=0),
        ),
        migrations.AlterField(
            model_name='auditentry',
            name='client',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='accounts.client'),
        ),
        migrations.AddIndex(
            model_name='auditentry',
            index=models.Index(fields=['client', 'actor', '-id'], name='audit_of_actor'),
        ),
        migrations.AddIndex(
            model_name='auditentry',
            index=models.Index(fields=['client', 'kind', '-id'], name='audit_of_kind'),
        ),
        migrations.AddIndex(
            model_name='auditentry',
            index=models.Index(fields=['client', 'actor', 'kind', '-id'], name='audit_of_actor_and_kind'),
        ),
    ]
