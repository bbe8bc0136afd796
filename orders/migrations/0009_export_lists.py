from django.db import migrations


class Migration(migrations.Migration):

    dependencies = [
        ('orders', '0008_orders_of_a_room'),
    ]

    operations = [
        migrations.AlterModelOptions(
            name='order',
            options={'permissions': [('view_personal_data', 'Can see names, phones and addresses'), ('export_lists', 'Can export what is listed')], 'verbose_name': 'order', 'verbose_name_plural': 'orders'},
        ),
    ]
