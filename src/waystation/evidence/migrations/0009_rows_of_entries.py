"""The rows of an entry of many rows stand beside it, inserted and never changed or removed, like the entry."""

import django.db.models.deletion
from django.db import migrations, models

TABLE = "evidence_entryrows"


def _statements(vendor):
    if vendor == "postgresql":
        return [
            f"CREATE TRIGGER {TABLE}_insert_only BEFORE UPDATE OR DELETE ON {TABLE} "
            "FOR EACH ROW EXECUTE FUNCTION evidence_insert_only()"
        ]
    return [
        f"CREATE TRIGGER {TABLE}_no_{verb.lower()} BEFORE {verb} ON {TABLE} "
        "BEGIN SELECT RAISE(ABORT, 'the log is append-only'); END"
        for verb in ("UPDATE", "DELETE")
    ]


def _guard(apps, editor):
    for statement in _statements(editor.connection.vendor):
        editor.execute(statement)


class Migration(migrations.Migration):
    dependencies = [("evidence", "0008_witnesses")]
    operations = [
        migrations.CreateModel(
            name="EntryRows",
            fields=[
                (
                    "entry",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        primary_key=True,
                        related_name="touched",
                        serialize=False,
                        to="evidence.logentry",
                    ),
                ),
                ("rows", models.JSONField()),
            ],
        ),
        migrations.RunPython(_guard, migrations.RunPython.noop),
    ]
