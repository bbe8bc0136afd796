"""New tables only: the version before runs beside it."""

import charites.common.clock
import charites.common.models
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('messaging', '0004_lists_by_topic'),
    ]

    operations = [
        migrations.CreateModel(
            name='Announced',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('created_at', models.DateTimeField(default=charites.common.clock.now, editable=False, verbose_name='created')),
                ('events', models.JSONField(verbose_name='events')),
            ],
            options={
                'verbose_name': 'announced events',
                'verbose_name_plural': 'announced events',
                'db_table': 'messaging_announced',
            },
        ),
        migrations.CreateModel(
            name='WebhookEndpoint',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('created_at', models.DateTimeField(default=charites.common.clock.now, editable=False, verbose_name='created')),
                ('updated_at', models.DateTimeField(default=charites.common.clock.now, editable=False, verbose_name='updated')),
                ('url', models.CharField(max_length=2048, verbose_name='address')),
                ('description', models.CharField(blank=True, default='', max_length=255, verbose_name='description')),
                ('kinds', models.JSONField(default=list, verbose_name='events')),
                ('is_enabled', models.BooleanField(default=True, verbose_name='enabled')),
                ('switched_off_because', models.CharField(blank=True, default='', max_length=500, verbose_name='switched off because')),
                ('secret', models.CharField(editable=False, max_length=100, verbose_name='secret')),
                ('former_secret', models.CharField(default='', editable=False, max_length=100, verbose_name='former secret')),
                ('former_secret_until', models.DateTimeField(editable=False, null=True, verbose_name='former secret good until')),
                ('failing_since', models.DateTimeField(editable=False, null=True, verbose_name='failing since')),
                ('failures', models.PositiveIntegerField(default=0, editable=False, verbose_name='failures in a row')),
                ('paused_until', models.DateTimeField(editable=False, null=True, verbose_name='tried again')),
                ('last_taken_at', models.DateTimeField(editable=False, null=True, verbose_name='took something')),
                ('leased_until', models.DateTimeField(editable=False, null=True, verbose_name='leased until')),
                ('lease', charites.common.models.ExactCharField(default='', editable=False, max_length=64, verbose_name='lease')),
            ],
            options={
                'verbose_name': 'webhook endpoint',
                'verbose_name_plural': 'webhook endpoints',
                'db_table': 'messaging_webhook_endpoint',
            },
        ),
        migrations.CreateModel(
            name='WebhookDelivery',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('endpoint_id', models.BigIntegerField(verbose_name='endpoint')),
                ('event_id', models.BigIntegerField(verbose_name='event id')),
                ('kind', models.CharField(max_length=64, verbose_name='event')),
                ('key', charites.common.models.ExactCharField(db_index=True, max_length=64, verbose_name='key')),
                ('data', models.JSONField(verbose_name='data')),
                ('happened_at', models.DateTimeField(verbose_name='happened')),
                ('state', models.CharField(choices=[('ready', 'ready'), ('done', 'done'), ('dead', 'dead')], default='ready', max_length=8, verbose_name='state')),
                ('attempts', models.PositiveIntegerField(default=0, verbose_name='attempts')),
                ('next_try_at', models.DateTimeField(null=True, verbose_name='next try')),
                ('done_at', models.DateTimeField(null=True, verbose_name='delivered')),
                ('last_error', models.CharField(default='', max_length=500, verbose_name='last error')),
            ],
            options={
                'verbose_name': 'webhook delivery',
                'verbose_name_plural': 'webhook deliveries',
                'db_table': 'messaging_webhook_delivery',
                'indexes': [models.Index(fields=['endpoint_id', 'state', 'id'], name='messaging_webhook_to_send'), models.Index(fields=['endpoint_id', 'state', 'next_try_at'], name='messaging_webhook_waiting'), models.Index(fields=['endpoint_id', 'state', 'key'], name='messaging_webhook_of_key'), models.Index(fields=['state', 'done_at'], name='messaging_webhook_old')],
            },
        ),
    ]
