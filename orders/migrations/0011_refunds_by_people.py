"""Refunds that people ask for, and when money came in. The version before runs beside it: what it does not write has a
default in the database, and of each payment it still makes one refund at most. `refund_id` is made by the database, since
that version gives its refunds no number. Of these tables only payments are written while orders are placed or paid;
columns and indexes are added to them in place.

It is taken back only while nobody has refunded by hand, which the last operation looks at, because it is taken back first:
half way a second refund of one payment would stop it, and MariaDB keeps what was done by then."""

import charites.common.clock
import charites.common.models
import django.db.models.functions.comparison
from django.core.management import CommandError
from django.db import migrations, models


def refuse_while_there_are_refunds_by_people(apps, schema_editor):
    refunds = apps.get_model('orders', 'Refund').objects.using(schema_editor.connection.alias)
    if count := refunds.filter(own_id__isnull=False).count():
        raise CommandError(
            f'orders 0011 is not taken back: {count} refunds that people asked for would be lost. '
            'The version before runs on its tables.'
        )


class Migration(migrations.Migration):

    dependencies = [
        ('orders', '0010_payments_and_refunds_by_status'),
    ]

    operations = [
        migrations.CreateModel(
            name='RefundLine',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('created_at', models.DateTimeField(default=charites.common.clock.now, editable=False, verbose_name='created')),
                ('updated_at', models.DateTimeField(default=charites.common.clock.now, editable=False, verbose_name='updated')),
                ('refund_id', models.BigIntegerField(verbose_name='refund id')),
                ('order_id', models.BigIntegerField(db_index=True, verbose_name='order id')),
                ('goods_id', models.BigIntegerField(verbose_name='goods id')),
                ('num', models.BigIntegerField(verbose_name='quantity')),
            ],
            options={
                'verbose_name': 'returned pieces',
                'verbose_name_plural': 'returned pieces',
                'db_table': 'shopping_refund_line',
            },
        ),
        migrations.CreateModel(
            name='SandboxRefund',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('created_at', models.DateTimeField(default=charites.common.clock.now, editable=False, verbose_name='created')),
                ('updated_at', models.DateTimeField(default=charites.common.clock.now, editable=False, verbose_name='updated')),
                ('refund_id', models.BigIntegerField(unique=True, verbose_name='refund id')),
                ('payment_id', models.BigIntegerField(db_index=True, verbose_name='payment id')),
                ('amount', models.BigIntegerField(verbose_name='amount, cents')),
            ],
            options={
                'verbose_name': 'sandbox refund',
                'verbose_name_plural': 'sandbox refunds',
                'db_table': 'sandbox_refund',
            },
        ),
        migrations.RemoveIndex(
            model_name='refund',
            name='shopping_refund_of_status',
        ),
        migrations.AddField(
            model_name='payment',
            name='captured_at',
            field=models.DateTimeField(db_index=True, null=True, verbose_name='money came in'),
        ),
        migrations.AddField(
            model_name='refund',
            name='actor',
            field=models.CharField(db_default='', default='', max_length=128, verbose_name='asked for by'),
        ),
        migrations.AddField(
            model_name='refund',
            name='idempotency_key',
            field=charites.common.models.ExactCharField(db_default='', default='', max_length=64, verbose_name='idempotency key'),
        ),
        migrations.AddField(
            model_name='refund',
            name='note',
            field=models.CharField(db_default='', default='', max_length=255, verbose_name='note'),
        ),
        migrations.AddField(
            model_name='refund',
            name='own_id',
            field=models.BigIntegerField(null=True, verbose_name='own number'),
        ),
        migrations.AddField(
            model_name='refund',
            name='refund_id',
            field=models.GeneratedField(db_persist=False, expression=django.db.models.functions.comparison.Coalesce('own_id', 'payment_id'), output_field=models.BigIntegerField(), unique=True, verbose_name='refund id'),
        ),
        migrations.AddField(
            model_name='refund',
            name='request_digest',
            field=models.CharField(db_default='', default='', max_length=64, verbose_name='request digest'),
        ),
        migrations.AlterField(
            model_name='refund',
            name='done_at',
            field=models.DateTimeField(db_index=True, null=True, verbose_name='sent back'),
        ),
        migrations.AddConstraint(
            model_name='refund',
            constraint=models.UniqueConstraint(fields=('payment_id', 'idempotency_key'), name='shopping_refund_key'),
        ),
        migrations.AlterField(
            model_name='refund',
            name='payment_id',
            field=models.BigIntegerField(db_index=True, verbose_name='payment id'),
        ),
        migrations.AlterField(
            model_name='refund',
            name='reason',
            field=models.CharField(choices=[('late', 'late'), ('double', 'double'), ('amount', 'wrong amount'), ('stock', 'no stock'), ('staff', 'by staff')], max_length=8, verbose_name='reason'),
        ),
        migrations.AlterField(
            model_name='refund',
            name='status',
            field=models.CharField(choices=[('pending', 'pending'), ('requested', 'requested'), ('done', 'done'), ('refused', 'refused')], default='pending', max_length=9, verbose_name='status'),
        ),
        migrations.AddIndex(
            model_name='refund',
            index=models.Index(fields=['status', 'refund_id'], name='shopping_refund_by_status'),
        ),
        migrations.AddConstraint(
            model_name='refundline',
            constraint=models.UniqueConstraint(fields=('refund_id', 'goods_id'), name='shopping_refund_line_unique'),
        ),
        migrations.AddConstraint(
            model_name='refundline',
            constraint=models.CheckConstraint(condition=models.Q(('num__gte', 1)), name='shopping_refund_line_num'),
        ),
        migrations.RunPython(migrations.RunPython.noop, refuse_while_there_are_refunds_by_people),
    ]
