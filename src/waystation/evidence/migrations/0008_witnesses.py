"""What witnesses said: their lines, which the database neither changes nor removes, and how it stands with each."""

import django.db.models.deletion
from django.db import migrations, models


def _guard(apps, editor):
    table = "evidence_cosignature"
    if editor.connection.vendor == "postgresql":
        editor.execute(
            f"CREATE TRIGGER {table}_insert_only BEFORE UPDATE OR DELETE ON {table} "
            "FOR EACH ROW EXECUTE FUNCTION evidence_insert_only()"
        )
        return
    for verb in ("UPDATE", "DELETE"):
        editor.execute(
            f"CREATE TRIGGER {table}_no_{verb.lower()} BEFORE {verb} ON {table} "
            "BEGIN SELECT RAISE(ABORT, 'the log is append-only'); END"
        )


class Migration(migrations.Migration):

    dependencies = [
        ('evidence', '0007_waiting'),
    ]

    operations = [
        migrations.CreateModel(
            name='WitnessState',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('log', models.CharField(max_length=64)),
                ('witness', models.CharField(max_length=254)),
                ('known_size', models.BigIntegerField(default=0)),
                ('asked_at', models.DateTimeField(null=True)),
                ('failing_since', models.DateTimeField(null=True)),
                ('trouble', models.CharField(blank=True, max_length=400)),
                ('refuses', models.BooleanField(default=False)),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('log', 'witness'), name='one_state_per_witness')],
            },
        ),
        migrations.CreateModel(
            name='Cosignature',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('log', models.CharField(max_length=64)),
                ('size', models.BigIntegerField()),
                ('witness', models.CharField(max_length=254)),
                ('line', models.TextField()),
                ('time_s', models.BigIntegerField()),
                ('at', models.DateTimeField()),
                ('checkpoint', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='cosignatures', to='evidence.checkpoint')),
            ],
            options={
                'indexes': [models.Index(fields=['log', 'witness', 'size'], name='cosigned_by_size')],
                'constraints': [models.UniqueConstraint(fields=('checkpoint', 'witness'), name='one_line_per_witness')],
            },
        ),
        migrations.RunPython(_guard, migrations.RunPython.noop),
    ]
