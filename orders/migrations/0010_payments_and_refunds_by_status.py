"""Indexes only: the version before runs beside them. MariaDB and MySQL build them in place, while the tables are read
and written (ALGORITHM=INPLACE, LOCK=NONE, unless told otherwise). Placing an order writes neither table."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('orders', '0009_export_lists'),
    ]

    operations = [
        migrations.AddIndex(
            model_name='payment',
            index=models.Index(fields=['status', 'payment_id'], name='shopping_payment_of_status'),
        ),
        migrations.AddIndex(
            model_name='refund',
            index=models.Index(fields=['status', 'payment_id'], name='shopping_refund_of_status'),
        ),
    ]
