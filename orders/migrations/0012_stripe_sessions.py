"""The sessions of payments at Stripe: a new table, which the version before does not know."""

import charites.common.clock
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('orders', '0011_refunds_by_people'),
    ]

    operations = [
        migrations.CreateModel(
            name='StripeSession',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('created_at', models.DateTimeField(default=charites.common.clock.now, editable=False, verbose_name='created')),
                ('updated_at', models.DateTimeField(default=charites.common.clock.now, editable=False, verbose_name='updated')),
                ('payment_id', models.BigIntegerField(unique=True, verbose_name='payment id')),
                ('session_id', models.CharField(max_length=255, verbose_name='session id')),
            ],
            options={
                'verbose_name': 'Stripe session',
                'verbose_name_plural': 'Stripe sessions',
                'db_table': 'stripe_session',
            },
        ),
    ]
