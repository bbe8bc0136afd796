"""Indexes only: the version before runs beside them. MariaDB and MySQL build them in place, while the tables are read
and written (ALGORITHM=INPLACE, LOCK=NONE, unless told otherwise)."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('goods', '0003_words'),
    ]

    operations = [
        migrations.AddIndex(
            model_name='room',
            index=models.Index(fields=['status', 'room_id'], name='shopping_room_of_status'),
        ),
    ]
