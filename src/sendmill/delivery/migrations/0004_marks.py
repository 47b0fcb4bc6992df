from django.db import migrations, models


def move_marks(apps, schema_editor):
    """What a worker was sending when it was killed was a state of its row (1, and 4 of one in doubt)."""
    chunks = apps.get_model('delivery', 'Chunk')
    deliveries = apps.get_model('delivery', 'Delivery')
    for chunk in chunks.objects.exclude(owner=''):
        rows = deliveries.objects.filter(id__gte=chunk.pk << 10, id__lt=(chunk.pk + 1) << 10, state__in=(1, 4))
        marks = sum(1 << (number & 1023) for number in rows.values_list('id', flat=True))
        if marks:
            chunk.being_sent = f'{marks:x}'
            chunk.save(update_fields=['being_sent'])
            rows.filter(state=4).update(state=3)
            rows.filter(state=1, next_attempt_ms__isnull=False).update(state=2)
            rows.filter(state=1).update(state=0)


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
        migrations.RunPython(move_marks, migrations.RunPython.noop),
    ]
