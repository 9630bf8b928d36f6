"""Somebody with the database and the files bends what the log speaks of: rows, events, readings, segments."""

from __future__ import annotations

import hashlib
import json
import shutil
from datetime import timedelta
from typing import Any

import pytest
from django.apps import apps
from django.db import models

from tests.attacks.installation import (
    DEVICE_KEY,
    HOUR,
    MINUTE,
    PROBE,
    Installation,
    bend,
    edit_frame,
    newest_file,
    system,
)
from tests.attacks.test_log_attacks import codes, where
from waystation.access.models import Grant, Person
from waystation.alarms.models import Alarm, Page
from waystation.evidence.actions import NewEntry, record
from waystation.evidence.models import EntryRows, Event
from waystation.evidence.row_audit import check_rows
from waystation.incidents.models import IncidentLink
from waystation.journeys.reading import Rounds
from waystation.kernel.ids import new_id
from waystation.product.models import ProductHold
from waystation.registry import actions as registry
from waystation.registry.models import ProductProfile, Vendor
from waystation.runbooks.models import Approval
from waystation.spares.models import Custody
from waystation.telemetry import log_heads, stores
from waystation.telemetry.actions.seal import seal
from waystation.telemetry.engine import Engine
from waystation.telemetry.models import Calibration, Excursion, Segment

pytestmark = pytest.mark.django_db


def change(row: models.Model, **columns: Any) -> str:
    """Change columns of a row by SQL; returns how it is named when it is found."""
    words = ", ".join(f"{name} = %s" for name in columns)
    bend(f"UPDATE {row._meta.db_table} SET {words} WHERE id = %s", *columns.values(), row.pk)
    return f"{row._meta.label} {row.pk}"


def take(row: models.Model) -> str:
    """Delete a row by SQL; returns how it is named when it is found."""
    bend(f"DELETE FROM {row._meta.db_table} WHERE id = %s", row.pk)
    return f"{row._meta.label} {row.pk}"


def changed(here: Installation, row: models.Model, **columns: Any) -> None:
    """The row is named, with the entry that says what it held."""
    name = change(row, **columns)
    assert f"{name} is not what entry number" in where(here.found(), "rows.changed")


def test_an_alarm_is_made_to_disappear(here: Installation) -> None:
    """With its pages and links: each row that an entry speaks of is missed by its id."""
    alarm = Alarm.objects.all()[0]
    for row in [*Page.objects.filter(alarm=alarm), *IncidentLink.objects.filter(object_id=alarm.pk)]:
        take(row)
    for table in ("alarms_escalation", "alarms_page"):
        if connection_has(table, alarm):
            bend(f"DELETE FROM {table} WHERE alarm_id = %s", alarm.pk)
    name = take(alarm)
    assert f"{name} is gone; entry number" in where(here.found(), "rows.missing")


def connection_has(table: str, alarm: Alarm) -> bool:
    model = next(m for m in apps.get_models() if m._meta.db_table == table)
    return bool(model.objects.filter(alarm_id=alarm.pk).exists())  # type: ignore[attr-defined]


def test_who_acknowledged_is_changed(here: Installation) -> None:
    """The alarm names another person than its entry."""
    alarm = Alarm.objects.exclude(acked_by=None).get()
    changed(here, alarm, acked_by=Person.objects.get(name="Ola Dahl").pk)


def test_when_it_was_acknowledged_is_changed(here: Installation) -> None:
    """An answer that came late is made to look in time."""
    alarm = Alarm.objects.exclude(acked_by=None).get()
    changed(here, alarm, acked_at=here.begin)


def test_limits_of_an_approved_profile_are_changed(here: Installation) -> None:
    """The edition that QA approved holds other limits than the entry of its approval."""
    changed(here, ProductProfile.objects.get(), high_c=30.0)


def test_limits_are_changed_and_put_back(here: Installation) -> None:
    """While they were wide a warm hour was judged to be none; judged again, the readings tell it, with the sensor."""
    profile, at = ProductProfile.objects.get(), here.begin + 3 * HOUR
    change(profile, high_c=30.0)
    here.rounds = Rounds(Engine())
    here.send(at, [12.0] * 30 + [5.0] * 30, now=at + HOUR)
    change(profile, high_c=8.0)
    found = here.found()
    assert f"harbour, fridge-1, sensor {PROBE}, {at:%Y-%m-%dT%H:%M}" in where(found, "excursions.untold")


def test_an_excursion_is_made_to_disappear(here: Installation) -> None:
    """The row is missed, and the readings tell the excursion again."""
    name = take(Excursion.objects.get())
    found = here.found()
    assert f"{name} is gone" in where(found, "rows.missing")
    assert PROBE in where(found, "excursions.untold")


def test_a_calibration_certificate_is_swapped(here: Installation) -> None:
    """The certificate that the probe had is in the entry."""
    changed(here, Calibration.objects.get(), certificate="C-2")


def test_the_dates_of_a_certificate_are_edited(here: Installation) -> None:
    """An expired certificate is made to run longer."""
    row = Calibration.objects.get()
    changed(here, row, valid_until=row.valid_until + timedelta(days=365))


def test_an_approval_is_forged(here: Installation) -> None:
    """A yes that nobody gave stands in no entry."""
    row = Approval.objects.get()
    changed(here, row, decision="approved", decided_by=Person.objects.get(name="Ola Dahl").pk, decided_at=here.now)


def test_a_role_is_granted_by_sql(here: Installation) -> None:
    """A grant that no action made is named."""
    row = Grant(id=new_id(), person=Person.objects.all()[0], role="quality", since=here.now)
    Grant.objects.bulk_create([row])
    assert f"access.Grant {row.pk} was put there, and no entry says so" in where(here.found(), "rows.unlogged")


def test_the_custody_of_a_unit_is_edited(here: Installation) -> None:
    """Another hand than the one that was recorded."""
    changed(here, Custody.objects.order_by("at", "id")[0], taker="somebody else")


def test_a_link_of_the_custody_chain_is_taken_out(here: Installation) -> None:
    """The event of custody that is gone is named."""
    name = take(Custody.objects.order_by("at", "id")[0])
    assert f"{name} is gone" in where(here.found(), "rows.missing")


def test_the_meaning_of_a_signature_is_edited(here: Installation) -> None:
    """Rejected becomes released, in the words that stand beside the name."""
    changed(here, ProductHold.objects.get(), state="released", signed_meaning="released for use")


def test_a_bent_row_is_covered_by_an_honest_change(here: Installation) -> None:
    """The next action starts from the bent row; its entry says another before than the last one's after."""
    row = Vendor.objects.get()
    name = change(row, phone="000")
    registry.change(system(), "vendor", row.pk, {"name": "Fixit SL"}, now=here.now)
    found = here.found()
    assert "rows.changed" not in codes(found)
    assert f"{name} was changed between entry number" in where(found, "rows.between")


def test_a_row_of_a_large_import_is_edited(here: Installation) -> None:
    """An entry of many rows holds the digest of their list; the list beside it names each."""
    rows = [Vendor(code=f"v-{n}", name=f"V {n}", kind="repair") for n in range(60)]
    record(rows, entry=NewEntry("registry.imported", "1", system(), here.now))
    assert here.found() == []
    changed(here, rows[41], name="somebody else")


def test_the_list_of_a_large_import_is_edited(here: Installation) -> None:
    """A row is taken off the list of its entry: the list no longer has the digest that was logged."""
    rows = [Vendor(code=f"v-{n}", name=f"V {n}", kind="repair") for n in range(60)]
    receipt = record(rows, entry=NewEntry("registry.imported", "1", system(), here.now))
    kept = EntryRows.objects.get().rows
    bend("UPDATE evidence_entryrows SET rows = %s WHERE entry_id = %s", json.dumps(kept[1:]), receipt.seq)
    assert f"entry number {receipt.seq} of log" in where(check_rows().flaws, "rows.list")


def test_an_event_of_the_stream_is_edited(here: Installation) -> None:
    """What others heard differs from what the entry told: the entry is named."""
    event = Event.objects.filter(kind="alarms.acknowledged")[0]
    bend("UPDATE evidence_event SET kind = 'alarms.shelved' WHERE seq = %s", event.seq)
    assert f"entry number {event.entry_id} of log coast" in where(here.found(), "events.changed")


def test_a_reading_is_edited_before_it_is_sealed(here: Installation) -> None:
    """With its check sum made to fit: the file and the bytes between two logged digests; it is not sealed."""
    path = newest_file()
    edit_frame(path, 5.2, 5.3)
    assert f"The file {path.name} of readings was changed between bytes 0 and" in where(
        here.found(), "readings.changed"
    )
    assert seal(system(), now=here.now) == 0
    assert path.exists()


def test_readings_are_cut_off_before_they_are_sealed(here: Installation) -> None:
    """The gateway's signs of life of the last hour are gone: the file is shorter than what was logged of it."""
    path = newest_file()
    path.write_bytes(b"")
    assert f"The file {path.name} of readings was cut" in where(here.found(), "readings.changed")


def test_a_segment_is_edited(here: Installation) -> None:
    """The file is named with its kind."""
    row = Segment.objects.order_by("log_file")[0]
    path = stores.segment_path(row.path)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    assert f"segment {row.path} ({row.kind}" in where(here.found(), "segments.changed")


def test_two_segments_are_swapped(here: Installation) -> None:
    """Both are named."""
    one, other = (stores.segment_path(row.path) for row in Segment.objects.order_by("log_file"))
    spare = here.folder / "spare"
    for source, target in ((one, spare), (other, one), (spare, other)):
        shutil.move(source, target)
    said = where(here.found(), "segments.changed")
    assert all(row.path in said for row in Segment.objects.all())


def test_a_segment_is_deleted(here: Installation) -> None:
    """The record is there, the file is not."""
    row = Segment.objects.order_by("log_file")[0]
    stores.segment_path(row.path).unlink()
    assert f"segment {row.path} (segment, 120 readings) is missing" in where(here.found(), "segments.missing")


def test_a_supplement_is_dropped_with_its_record(here: Installation) -> None:
    """Late readings are gone without a trace in the tables; the entry of their sealing misses the row."""
    row = Segment.objects.get(kind="supplement")
    stores.segment_path(row.path).unlink()
    name = take(row)
    assert f"{name} is gone; entry number" in where(here.found(), "rows.missing")


def test_a_segment_is_put_in(here: Installation) -> None:
    """A file that no record names."""
    row = Segment.objects.order_by("log_file")[0]
    extra = stores.segment_path(f"{row.site_id}/9999999999.parquet")
    shutil.copyfile(stores.segment_path(row.path), extra)
    assert extra.name in where(here.found(), "segments.orphan")


def test_a_segment_is_rewritten_with_its_record(here: Installation) -> None:
    """The row has the new file's digest: it is not what the entry of its sealing says."""
    row = Segment.objects.order_by("log_file")[0]
    path = stores.segment_path(row.path)
    path.write_bytes(path.read_bytes() + b"x")
    changed(here, row, sha256=hashlib.sha256(path.read_bytes()).hexdigest())


def test_a_device_key_is_stolen(here: Installation) -> None:
    """Residual: readings that were invented and signed with the device's own key verify like any other."""
    here.send(here.begin + 3 * HOUR, [4.0] * 30, now=here.begin + 4 * HOUR)
    log_heads.note(system(), now=here.begin + 4 * HOUR)
    assert DEVICE_KEY is not None
    assert here.found(here.trust, now=here.begin + 4 * HOUR + 11 * MINUTE) == []
