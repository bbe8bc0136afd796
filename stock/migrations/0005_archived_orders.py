"""A word for the records of archived orders. Nothing changes in the database."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('stock', '0004_record_owner'),
    ]

    operations = [
        migrations.AlterField(
            model_name='stockrecord',
            name='kind',
            field=models.CharField(choices=[('order', 'order'), ('receipt', 'receipt'), ('archive', 'archived orders')], default='order', max_length=8, verbose_name='kind'),
        ),
    ]
