"""Indexes only: the version before runs beside them. MariaDB and MySQL build them in place, while the tables are read
and written (ALGORITHM=INPLACE, LOCK=NONE, unless told otherwise)."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('orders', '0003_row_times'),
    ]

    operations = [
        migrations.AddIndex(
            model_name='order',
            index=models.Index(fields=['status', 'order_id'], name='shopping_order_of_status'),
        ),
        migrations.AddIndex(
            model_name='sandboxpayment',
            index=models.Index(fields=['trade_id'], name='sandbox_payment_trade'),
        ),
    ]
