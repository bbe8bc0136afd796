"""What stays of archived orders. The version before runs beside it as long as nobody archives: it does not look here for
keys that are used, and would place a second order. It is taken back only while nothing is archived, which the last
operation looks at, because it is taken back first."""

import charites.common.clock
import charites.common.models
from django.core.management import CommandError
from django.db import migrations, models


def refuse_while_there_are_archived_orders(apps, schema_editor):
    archived = apps.get_model('orders', 'ArchivedOrder').objects.using(schema_editor.connection.alias)
    if count := archived.count():
        raise CommandError(
            f'orders 0013 is not taken back: {count} orders were archived, and nobody would know of their numbers, keys and '
            'pieces any more.'
        )


class Migration(migrations.Migration):

    dependencies = [
        ('orders', '0012_stripe_sessions'),
    ]

    operations = [
        migrations.CreateModel(
            name='Archive',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('created_at', models.DateTimeField(default=charites.common.clock.now, editable=False, verbose_name='created')),
                ('updated_at', models.DateTimeField(default=charites.common.clock.now, editable=False, verbose_name='updated')),
                ('name', models.CharField(max_length=128, unique=True, verbose_name='file')),
                ('digest', models.CharField(max_length=64, verbose_name='SHA-256 digest')),
                ('orders', models.PositiveIntegerField(verbose_name='orders')),
                ('amount', models.BigIntegerField(verbose_name='amount, cents')),
                ('pieces', models.BigIntegerField(verbose_name='pieces')),
            ],
            options={
                'verbose_name': 'archive',
                'verbose_name_plural': 'archives',
                'db_table': 'shopping_order_archive',
            },
        ),
        migrations.CreateModel(
            name='ArchivedOrder',
            fields=[
                ('order_id', models.BigIntegerField(primary_key=True, serialize=False, verbose_name='order id')),
                ('user_id', models.BigIntegerField(verbose_name='user id')),
                ('status', models.SmallIntegerField(choices=[(100, 'unpaid'), (200, 'paid'), (300, 'closed'), (400, 'completed')], verbose_name='status')),
                ('pay_amount', models.BigIntegerField(verbose_name='amount, cents')),
                ('payment_id', models.BigIntegerField(null=True, verbose_name='payment id')),
                ('pieces', models.BigIntegerField(verbose_name='pieces')),
                ('idempotency_key', charites.common.models.ExactCharField(max_length=64, null=True, verbose_name='idempotency key')),
                ('archive_id', models.BigIntegerField(verbose_name='archive')),
            ],
            options={
                'verbose_name': 'archived order',
                'verbose_name_plural': 'archived orders',
                'db_table': 'shopping_order_archived',
                'constraints': [models.UniqueConstraint(fields=('user_id', 'idempotency_key'), name='shopping_order_archived_key')],
            },
        ),
        migrations.CreateModel(
            name='ArchivedPieces',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('created_at', models.DateTimeField(default=charites.common.clock.now, editable=False, verbose_name='created')),
                ('updated_at', models.DateTimeField(default=charites.common.clock.now, editable=False, verbose_name='updated')),
                ('goods_id', models.BigIntegerField(verbose_name='goods id')),
                ('user_id', models.BigIntegerField(verbose_name='user id')),
                ('pieces', models.BigIntegerField(verbose_name='pieces')),
            ],
            options={
                'verbose_name': 'archived pieces of a buyer',
                'verbose_name_plural': 'archived pieces of buyers',
                'db_table': 'shopping_order_archived_pieces',
                'constraints': [models.UniqueConstraint(fields=('goods_id', 'user_id'), name='shopping_order_archived_pieces_unique')],
            },
        ),
        migrations.RunPython(migrations.RunPython.noop, refuse_while_there_are_archived_orders),
    ]
