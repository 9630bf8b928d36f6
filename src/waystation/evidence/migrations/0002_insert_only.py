"""Entries and positions are inserted and never changed or removed: the database itself refuses."""

from django.db import migrations

TABLES = ("evidence_logentry", "evidence_logposition", "evidence_checkpoint")


def _statements(vendor: str) -> list[str]:
    found = []
    if vendor == "postgresql":
        found.append(
            "CREATE FUNCTION evidence_insert_only() RETURNS trigger AS $$ BEGIN "
            "RAISE EXCEPTION 'the log is append-only'; END $$ LANGUAGE plpgsql"
        )
    for table in TABLES:
        if vendor == "postgresql":
            found.append(
                f"CREATE TRIGGER {table}_insert_only BEFORE UPDATE OR DELETE ON {table} "
                "FOR EACH ROW EXECUTE FUNCTION evidence_insert_only()"
            )
            continue
        for verb in ("UPDATE", "DELETE"):
            found.append(
                f"CREATE TRIGGER {table}_no_{verb.lower()} BEFORE {verb} ON {table} "
                "BEGIN SELECT RAISE(ABORT, 'the log is append-only'); END"
            )
    return found


def _apply(apps, editor):
    for statement in _statements(editor.connection.vendor):
        editor.execute(statement)


class Migration(migrations.Migration):
    dependencies = [("evidence", "0001_initial")]
    operations = [migrations.RunPython(_apply, migrations.RunPython.noop)]
