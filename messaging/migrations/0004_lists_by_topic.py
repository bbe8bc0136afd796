"""An index only: the version before runs beside it. MariaDB and MySQL build it in place, while the table is read and
written (ALGORITHM=INPLACE, LOCK=NONE, unless told otherwise). Where stock is another service an order writes a message
while it is placed, and one entry more with it, at the end of its topic; what happens to a message changes no entry."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('messaging', '0003_row_times'),
    ]

    operations = [
        migrations.AddIndex(
            model_name='message',
            index=models.Index(fields=['topic', 'id'], name='messaging_message_of_topic'),
        ),
    ]
