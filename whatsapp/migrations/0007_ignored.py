from django.db import migrations, models


class Migration(migrations.Migration):
    """New numbers ignore groups; those that are here already go on keeping them."""

    dependencies = [
        ("whatsapp", "0006_reactions_of_ours"),
    ]

    operations = [
        migrations.AddField(
            model_name="session", name="ignores_groups", field=models.BooleanField(default=False)
        ),
        migrations.AlterField(
            model_name="session", name="ignores_groups", field=models.BooleanField(default=True)
        ),
    ]
