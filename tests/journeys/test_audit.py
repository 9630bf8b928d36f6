"""The audit: nothing is found after a whole day, an upgrade is no flaw, what is not compared is counted."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest

from tests.attacks.installation import bend
from tests.conftest import START
from tests.rooms.spares.network import system
from tests.rooms.telemetry.samples import a_monitored_space, deliver, judge, minutes
from waystation.cli.proving import checking
from waystation.cli.proving.checking import known
from waystation.evidence import placed, sequencer
from waystation.evidence.actions import NewEntry, record
from waystation.evidence.models import Event
from waystation.evidence.row_audit import _digests, check_rows
from waystation.journeys.audit import audit
from waystation.kernel.authority import Authority
from waystation.kernel.canonical import digest
from waystation.kernel.refusals import BadInput
from waystation.registry.models import Vendor
from waystation.telemetry import log_heads, stores
from waystation.telemetry.engine import Engine
from waystation.telemetry.models import Excursion

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("folder")]
HOUR = timedelta(hours=1)


def _vendor(code: str = "v") -> Vendor:
    return Vendor(code=code, name=code, kind="repair")


def test_evd_08_a_column_that_a_later_version_added_is_no_flaw() -> None:
    """The entry knew a row without its newest column: at its default it agrees, at another value it does not."""
    space, _ = a_monitored_space(START)
    row = Excursion(
        site_id=space.site_id, space=space, profile_id=space.profile_id, limit_c=8.0, direction="high", peak_c=9.0,
        started_at=START, ended_at=START + HOUR, detected_at=START,
    )  # fmt: skip
    row.save(force_insert=True)
    held = {k: v for k, v in row.as_plain().items() if k != "second_source"}
    assert digest(held) in set(_digests(row))
    row.second_source = "FT-2"
    assert digest(held) not in set(_digests(row))


def test_evd_08_a_removed_row_is_named_and_not_missed() -> None:
    """`record` removes with an entry: nothing is missing; put back by hand, it is."""
    row = _vendor()
    record([row], entry=NewEntry("test.made", row.pk, system(), START))
    held = Vendor.objects.get()
    key = held.pk
    record([], entry=NewEntry("test.removed", key, system(), START), removed=[held])
    assert not Vendor.objects.exists()
    assert check_rows().flaws == []
    _vendor().save(force_insert=True)
    assert [f.code for f in check_rows().flaws] == ["rows.unlogged"]
    again = _vendor("w")
    again.pk = key
    again.save(force_insert=True)
    assert any("says that it was removed" in f.words for f in check_rows().flaws)


def test_evd_08_what_cannot_be_compared_is_counted() -> None:
    """An entry of many rows whose list was not kept, and rows that may be of it, are told and not passed over."""
    rows = [_vendor(f"v{n}") for n in range(50)]
    record(rows, entry=NewEntry("test.imported", "1", system(), START))
    compared = check_rows()
    assert (compared.rows, compared.not_compared, compared.flaws) == (50, {}, [])
    assert compared.events == Event.objects.count()
    bend("DELETE FROM evidence_entryrows")
    compared = check_rows()
    assert compared.flaws == []
    assert sum(compared.not_compared.values()) == 51


def test_evd_08_readings_are_in_the_log_by_digest_within_a_minute() -> None:
    """Each round that finds more judged readings enters one head; a round that finds none enters nothing."""
    space, (probe,) = a_monitored_space(START)
    deliver(space, minutes(probe, START, [5.0] * 10), START)
    assert log_heads.note(system(), now=START) == 0  # not judged yet
    judge(Engine(), START)
    assert [log_heads.note(system(), now=START) for _ in range(2)] == [1, 0]
    deliver(space, minutes(probe, START + HOUR, [5.0] * 10), START + HOUR)
    judge(Engine(), START + HOUR)
    assert log_heads.note(system(), now=START + HOUR) == 1
    first, second = log_heads.heads(1)
    assert 0 < first.offset < second.offset == stores.log().size(1)
    assert log_heads.changed(1) == []


def test_evd_08_unjudged_readings_are_told_and_not_judged_here() -> None:
    """While the judge is behind, no excursion can be missed; the audit says that it did not look."""
    space, (probe,) = a_monitored_space(START)
    deliver(space, minutes(probe, START, [15.0] * 10), START)
    found = audit([], now=START + HOUR, days=1)
    assert found.not_compared["files of readings that the judge has not read to the end"] == 1
    assert not [f for f in found.flaws if f.code == "excursions.untold"]
    judge(Engine(), START)
    assert audit([], now=START + HOUR, days=1).compared["space days judged again"] == 1


def test_evd_08_the_command_ends_with_one_when_anything_differs(
    folder: Path, capsys: pytest.CaptureFixture[str], system: Authority
) -> None:
    """And names it; with a file that holds no head it says so."""
    row = _vendor()
    record([row], entry=NewEntry("test.made", row.pk, system, START))
    sequencer.run(START)
    (folder / "trust.json").write_text(json.dumps(placed.trust("installation", with_head=True)))
    held = [folder / "trust.json"]
    assert checking.run(held, 1, as_json=True) == 0
    assert json.loads(capsys.readouterr().out)["compared"]["rows"] == 1
    row.save(force_update=True)
    Vendor.objects.filter(pk=row.pk).update(phone="1")
    assert checking.run(held, 1, as_json=False) == 1
    assert f"rows.changed: registry.Vendor {row.pk} is not what entry number" in capsys.readouterr().out
    for content in (b"x", b'{"x": 1}', b"{", b"\xff\xfe", b"a\nb\nc\n"):
        (folder / "nothing").write_bytes(content)
        with pytest.raises(BadInput, match="is neither a trust file nor a checkpoint"):
            known(folder / "nothing")
    with pytest.raises(BadInput, match="No such file"):
        known(folder / "absent")
    (folder / "checkpoint").write_text("waystation.local/coast\n3\nAAAA\n")
    assert known(folder / "checkpoint").log == "coast"
