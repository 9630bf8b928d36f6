"""How many units a hub holds at most, where somebody said so."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("spares", "0002_rounds")]

    operations = [
        migrations.AddField(model_name="hub", name="slots", field=models.PositiveIntegerField(blank=True, null=True)),
    ]
