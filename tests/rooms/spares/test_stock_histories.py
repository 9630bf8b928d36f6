"""Stock is conserved: under random lives no unit vanishes, doubles, skips a state or stands in two places."""

from __future__ import annotations

import random
from datetime import timedelta

import pytest

from tests.conftest import START
from tests.rooms.spares.network import a_hub, a_part, system
from tests.rooms.spares.stock_histories import stock_history
from waystation.kernel.refusals import Conflict
from waystation.spares import models as m
from waystation.spares.actions import desk, returns, stock

pytestmark = pytest.mark.django_db
HISTORIES, SCANS = 25, 60


def test_stk_01_stock_is_conserved_under_random_histories() -> None:
    """After each of 22 events in each history the books hold; many events were really done."""
    done = sum(stock_history(seed) for seed in range(HISTORIES))
    assert done > HISTORIES * 3


def desk_merge(seed: int, scans: int) -> None:
    """Offline scans of a hub in any order, in batches, some sent twice: none is lost, each is merged or shown."""
    chance, hub = random.Random(seed), a_hub()
    serials = [f"D{seed}-{n}" for n in range(max(4, scans // 20))]
    for serial in serials:
        stock.receive(system(), a_part().pk, serial, hub.pk, now=START)
    verbs = ["check_ok", "check_bad", "due", "pick", "return", "found", "install", "juggle"]
    made = [
        desk.NewScan(
            f"{seed}-{n}",
            chance.choice(verbs),
            chance.choice([*serials, "NOPE"]),
            START + timedelta(seconds=chance.randrange(1, 40_000)),
            hub_id=hub.pk,
        )
        for n in range(scans)
    ]
    sent = made + chance.sample(made, scans // 4)
    chance.shuffle(sent)
    later = START + timedelta(hours=12)
    first = {}
    for begin in range(0, len(sent), 200):
        for row in desk.take_scans(system(), sent[begin : begin + 200], now=later):
            assert first.setdefault(row.client_id, (row.outcome, row.conflict)) == (row.outcome, row.conflict)
    kept = m.Scan.objects.filter(client_id__in=[s.client_id for s in made])
    assert kept.count() == scans, "a scan was lost or kept twice"
    for row in kept:
        assert (row.outcome, bool(row.conflict)) in (("merged", False), ("conflict", True))
    assert {row.code for row in kept if "no unit or label" in row.conflict} <= {"NOPE"}
    assert m.Unit.objects.filter(serial__in=serials).count() == len(serials)


def test_off_03_scans_made_offline_are_all_there_after_the_merge() -> None:
    """Each once, merged or shown with its reason, whatever the order and the repeats."""
    desk_merge(3, SCANS)


@pytest.mark.parametrize("state", ["received", "in_transit", "reserved"])
def test_stk_01_only_a_repaired_unit_is_released_to_stock(state: str) -> None:
    """Not one on its way, not one that nobody checked, not one that an incident holds: it would stand nowhere."""
    unit = stock.receive(system(), a_part().pk, "S-1", a_hub().pk, now=START)
    m.Unit.objects.filter(pk=unit.pk).update(state=state)
    with pytest.raises(Conflict) as refused:
        returns.release_to_stock(system(), unit.pk, reason="examined", now=START)
    assert refused.value.code == "spares.not_repaired"
    unit.refresh_from_db()
    assert unit.state == state


def test_stk_01_the_history_in_which_a_unit_stood_nowhere() -> None:
    """A unit in transit between hubs was released to stock; now it is refused."""
    stock_history(28)
