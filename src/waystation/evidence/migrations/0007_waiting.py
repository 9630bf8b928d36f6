"""Entries wait for their position in a table of their own, which the database itself fills and empties.

A trigger enters each entry in the transaction that writes it, so none can be missed, and another takes it out with its
position. What has no position cannot be taken out.
"""

from django.db import migrations, models

FILL = """
INSERT INTO evidence_waiting (seq, log) SELECT e.seq, e.log FROM evidence_logentry e
WHERE NOT EXISTS (SELECT 1 FROM evidence_logposition p WHERE p.entry_id = e.seq)
"""
SQLITE = (
    "CREATE TRIGGER evidence_entry_waits AFTER INSERT ON evidence_logentry "
    "BEGIN INSERT INTO evidence_waiting (seq, log) VALUES (NEW.seq, NEW.log); END",
    "CREATE TRIGGER evidence_entry_placed AFTER INSERT ON evidence_logposition "
    "BEGIN DELETE FROM evidence_waiting WHERE seq = NEW.entry_id; END",
    "CREATE TRIGGER evidence_waiting_no_update BEFORE UPDATE ON evidence_waiting "
    "BEGIN SELECT RAISE(ABORT, 'an entry waits until it has its position'); END",
    "CREATE TRIGGER evidence_waiting_no_delete BEFORE DELETE ON evidence_waiting "
    "WHEN NOT EXISTS (SELECT 1 FROM evidence_logposition WHERE entry_id = OLD.seq) "
    "BEGIN SELECT RAISE(ABORT, 'an entry waits until it has its position'); END",
)
POSTGRESQL = (
    "CREATE FUNCTION evidence_entry_waits() RETURNS trigger AS $$ BEGIN "
    "INSERT INTO evidence_waiting (seq, log) VALUES (NEW.seq, NEW.log); RETURN NULL; END $$ LANGUAGE plpgsql",
    "CREATE TRIGGER evidence_entry_waits AFTER INSERT ON evidence_logentry "
    "FOR EACH ROW EXECUTE FUNCTION evidence_entry_waits()",
    "CREATE FUNCTION evidence_entry_placed() RETURNS trigger AS $$ BEGIN "
    "DELETE FROM evidence_waiting WHERE seq = NEW.entry_id; RETURN NULL; END $$ LANGUAGE plpgsql",
    "CREATE TRIGGER evidence_entry_placed AFTER INSERT ON evidence_logposition "
    "FOR EACH ROW EXECUTE FUNCTION evidence_entry_placed()",
    "CREATE FUNCTION evidence_still_waits() RETURNS trigger AS $$ BEGIN "
    "IF TG_OP = 'DELETE' AND EXISTS (SELECT 1 FROM evidence_logposition WHERE entry_id = OLD.seq) "
    "THEN RETURN OLD; END IF; "
    "RAISE EXCEPTION 'an entry waits until it has its position'; END $$ LANGUAGE plpgsql",
    "CREATE TRIGGER evidence_still_waits BEFORE UPDATE OR DELETE ON evidence_waiting "
    "FOR EACH ROW EXECUTE FUNCTION evidence_still_waits()",
)


def _guard(apps, editor):
    for statement in (FILL, *(POSTGRESQL if editor.connection.vendor == "postgresql" else SQLITE)):
        editor.execute(statement)


class Migration(migrations.Migration):
    dependencies = [("evidence", "0006_subscriptions")]
    operations = [
        migrations.CreateModel(
            name="Waiting",
            fields=[
                ("seq", models.BigIntegerField(primary_key=True, serialize=False)),
                ("log", models.CharField(max_length=64)),
            ],
        ),
        migrations.RunPython(_guard, migrations.RunPython.noop),
    ]
