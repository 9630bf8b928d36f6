"""The hub desk: what was scanned offline merges once, in order; a conflict stays until a person resolves it."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import timedelta
from uuid import uuid4

import pytest

from tests.conftest import START
from tests.rooms.spares.network import a_hub, a_lane, a_need, a_part, a_unit, system
from waystation.kernel.authority import Authority
from waystation.kernel.refusals import BadInput, NotAllowed
from waystation.spares import models as m
from waystation.spares import queries
from waystation.spares.actions import desk, hold, stock
from waystation.spares.actions.sourcing import source

pytestmark = pytest.mark.django_db
Acting = Callable[..., Authority]
HOUR = timedelta(hours=1)


def scan(verb: str, code: str, hours: float, *, key: str = "", **more: object) -> desk.NewScan:
    return desk.NewScan(key or f"{verb}-{code}-{hours}", verb, code, START + hours * HOUR, **more)  # type: ignore[arg-type]


def sent() -> m.Dispatch:
    a_lane(a_hub(), 90)
    a_unit("S-1", a_hub())
    made = source(system(), a_need(), now=START).dispatch
    assert made is not None
    return made


@pytest.mark.parametrize("seed", range(6))
def test_off_03_scans_merge_in_the_order_in_which_they_were_made(seed: int) -> None:
    """Sent in any order, twice: the unit lives its life at the instants of the scans, and each scan is kept once."""
    made = sent()
    scans = [scan("pick", "S-1", 1), scan("ship", made.label, 2), scan("deliver", "S-1", 4), scan("install", "S-1", 5)]
    mixed = [*scans, *scans]
    random.Random(seed).shuffle(mixed)
    for _ in range(2):
        found = desk.take_scans(system(), mixed, now=START + 9 * HOUR)
        assert {s.outcome for s in found} == {"merged"}, [s.conflict for s in found]
    assert m.Scan.objects.count() == 4
    lived = [(row.state, row.at) for row in queries.timeline(system(), made.unit_id)][-3:]
    assert lived == [
        ("in_transit", START + 2 * HOUR),
        ("in_transit", START + 4 * HOUR),
        ("installed", START + 5 * HOUR),
    ]


def test_off_03_a_scan_that_the_records_passed_is_a_conflict_and_is_shown() -> None:
    """Somebody released the unit meanwhile: the pick of an hour before is not done, and not lost."""
    made = sent()
    hold.release(system(), made.reservation_id, reason="Repaired on site", now=START + 2 * HOUR)  # type: ignore[arg-type]
    found = desk.take_scans(system(), [scan("pick", "S-1", 1, hub_id=a_hub().pk)], now=START + 3 * HOUR)
    assert found[0].outcome == "conflict"
    assert "was stocked at" in found[0].conflict
    assert [s.pk for s in queries.desk(system(), a_hub().pk).conflicts] == [found[0].pk]
    assert m.Unit.objects.get(serial="S-1").state == "stocked"


def test_off_03_everything_that_cannot_be_merged_says_why() -> None:
    """Unknown code, unknown verb, a clock ahead, a verb that the state refuses, a hub that is missing."""
    a_unit("S-1", a_hub())
    stock.receive(system(), a_part().pk, "S-2", a_hub().pk, now=START)
    scans = [
        scan("pick", "NOPE", 1),
        scan("juggle", "S-1", 1),
        scan("check_ok", "S-1", 99),
        scan("pick", "S-1", 1),
        scan("return", "S-1", 1),
        scan("check_ok", "S-2", 1),
        scan("check_bad", "S-2", 2),
    ]
    found = {s.client_id: s for s in desk.take_scans(system(), scans, now=START + 9 * HOUR)}
    words = {key: row.conflict for key, row in found.items()}
    assert "no unit or label NOPE" in words["pick-NOPE-1"]
    assert "no verb" in words["juggle-S-1-1"]
    assert "clock is ahead" in words["check_ok-S-1-99"]
    assert "has no dispatch" in words["pick-S-1-1"]
    assert "names no hub" in words["return-S-1-1"]
    assert (words["check_ok-S-2-1"], words["check_bad-S-2-2"]) == ("", "")
    assert m.Unit.objects.get(serial="S-2").state == "quarantined"


def test_off_03_a_person_resolves_a_conflict_and_the_scan_stays(acting: Acting) -> None:
    """With words, once; who may not is refused."""
    row = desk.take_scans(system(), [scan("pick", "NOPE", 1)], now=START + HOUR)[0]
    with pytest.raises(NotAllowed):
        desk.resolve_scan(acting("operator"), row.pk, resolution="x", now=START + HOUR)
    technician = acting("hub_technician")
    with pytest.raises(BadInput):
        desk.resolve_scan(technician, row.pk, resolution=" ", now=START + HOUR)
    done = desk.resolve_scan(technician, row.pk, resolution="Label of another hub", now=START + HOUR)
    again = desk.resolve_scan(technician, row.pk, resolution="Other words", now=START + 2 * HOUR)
    assert (done.outcome, again.resolution) == ("resolved", "Label of another hub")
    assert m.Scan.objects.get().conflict
    assert queries.desk(system(), a_hub().pk).conflicts == ()


def test_off_03_a_scanner_does_what_its_person_may_and_no_more(acting: Acting) -> None:
    """A wiper's phone cannot ship: the refusal is the conflict."""
    made = sent()
    row = desk.take_scans(acting("wiper"), [scan("ship", "S-1", 1)], now=START + HOUR)[0]
    assert "may not pick, ship" in row.conflict
    made.refresh_from_db()
    assert made.state == "planned"
    with pytest.raises(BadInput):
        desk.take_scans(system(), [scan("pick", "S", 1)] * 501, now=START)


def test_the_desk_lists_what_is_to_be_done() -> None:
    """To pick, on the way, to check; each once."""
    made = sent()
    stock.receive(system(), a_part().pk, "NEW", a_hub().pk, now=START)
    lists = queries.desk(system(), a_hub().pk)
    assert [d.pk for d in lists.to_pick] == [made.pk]
    assert [u.serial for u in lists.to_check] == ["NEW"]
    desk.take_scans(system(), [scan("pick", "S-1", 1)], now=START + HOUR)
    lists = queries.desk(system(), a_hub().pk)
    assert (lists.to_pick, [d.pk for d in lists.on_the_way]) == ((), [made.pk])
    told = queries.of_incident(system(), made.incident_id or uuid4())
    assert [len(told[k]) for k in ("reservations", "dispatches", "orders", "returns")] == [1, 1, 0, 0]
