"""The candidates of a round of sourcing become one row; those that stand are carried over, each with its old id."""

import itertools
import uuid
from datetime import datetime

from django.db import migrations, models

import waystation.kernel.ids
from waystation.kernel.canonical import plain

WAY = ("bars", "figures", "assumed", "mode", "cost")


def _carry(apps, editor):
    attempts, rounds = apps.get_model("spares", "Attempt"), apps.get_model("spares", "Round")
    rows = attempts.objects.order_by("round_id", "place", "id").iterator(chunk_size=500)
    for round_id, some in itertools.groupby(rows, lambda row: row.round_id):
        rounds.objects.create(**_round(round_id, list(some)))


def _round(round_id, some):
    ways, candidates = [], []
    for row in some:
        kept = {n: getattr(row, n) for n in ("source", "channel", "outcome", "in_time", "reason")}
        more = {n: getattr(row, n) for n in ("serial", "conditions")}
        more |= {n: plain(getattr(row, n)) for n in ("unit_id", "likely_at", "p90_at")} | {"attempt": str(row.pk)}
        kept |= {name: value for name, value in more.items() if value}
        way = {name: row.basis[name] for name in WAY if name in row.basis}
        if way:
            if way not in ways:
                ways.append(way)
            kept["way"] = ways.index(way)
        candidates.append(kept)
    first = some[0]
    return {
        "id": round_id,
        "incident_id": first.incident_id,
        "at": first.at,
        "move_first": bool(first.basis.get("move_first")),
        "why": str(first.basis.get("why", "")),
        "candidates": candidates,
        "ways": ways,
    }


def _back(apps, editor):
    attempts, rounds = apps.get_model("spares", "Attempt"), apps.get_model("spares", "Round")
    for row in rounds.objects.order_by("at", "id").iterator(chunk_size=100):
        told = {"move_first": row.move_first, "why": row.why}
        attempts.objects.bulk_create(_attempt(attempts, row, told, n, c) for n, c in enumerate(row.candidates))


def _attempt(model, row, told, place, kept):
    read = {n: datetime.fromisoformat(kept[n]) for n in ("likely_at", "p90_at") if n in kept}
    return model(
        id=uuid.UUID(kept["attempt"]) if "attempt" in kept else waystation.kernel.ids.new_id(),
        incident_id=row.incident_id,
        round_id=row.pk,
        at=row.at,
        place=place,
        unit_id=uuid.UUID(kept["unit_id"]) if "unit_id" in kept else None,
        basis=told | (row.ways[kept["way"]] if "way" in kept else {}),
        **{n: kept.get(n, "") for n in ("source", "channel", "serial", "outcome", "reason", "conditions")},
        in_time=kept["in_time"],
        **read,
    )


class Migration(migrations.Migration):
    dependencies = [("spares", "0001_initial")]
    operations = [
        migrations.CreateModel(
            name="Round",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=waystation.kernel.ids.new_id, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("incident_id", models.UUIDField(db_index=True)),
                ("at", models.DateTimeField()),
                ("move_first", models.BooleanField(default=False)),
                ("why", models.TextField(blank=True)),
                ("candidates", models.JSONField(default=list)),
                ("ways", models.JSONField(default=list)),
            ],
            options={"ordering": ["at", "id"]},
        ),
        migrations.RunPython(_carry, _back),
        migrations.DeleteModel(name="Attempt"),
    ]
