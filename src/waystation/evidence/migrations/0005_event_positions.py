"""Every event gets a position from the sequencer; an event that has one never changes: the database itself refuses."""

from django.db import migrations, models

SQLITE = (
    "CREATE TRIGGER evidence_event_stays BEFORE UPDATE ON evidence_event WHEN OLD.position IS NOT NULL "
    "BEGIN SELECT RAISE(ABORT, 'an event with a position never changes'); END",
)
POSTGRESQL = (
    "CREATE FUNCTION evidence_event_stays() RETURNS trigger AS $$ BEGIN "
    "RAISE EXCEPTION 'an event with a position never changes'; END $$ LANGUAGE plpgsql",
    "CREATE TRIGGER evidence_event_stays BEFORE UPDATE ON evidence_event "
    "FOR EACH ROW WHEN (OLD.position IS NOT NULL) EXECUTE FUNCTION evidence_event_stays()",
)


def _guard(apps, editor):
    for statement in POSTGRESQL if editor.connection.vendor == "postgresql" else SQLITE:
        editor.execute(statement)


class Migration(migrations.Migration):
    dependencies = [("evidence", "0004_entries_by_kind")]
    operations = [
        migrations.AddField("event", "position", models.BigIntegerField(null=True, unique=True)),
        migrations.AddIndex(
            "event",
            models.Index(condition=models.Q(("position", None)), fields=["seq"], name="events_without_position"),
        ),
        migrations.RunPython(_guard, migrations.RunPython.noop),
    ]
