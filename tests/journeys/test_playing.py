"""The certificate of a live network: the placed stock against today's policy and all at the centre."""

from __future__ import annotations

import pytest

from tests.conftest import START
from tests.rooms.planning.scenes import csv_of, on_shelf, take, tickets, two_hubs
from tests.rooms.spares.network import a_part, system
from waystation.journeys.placing import place
from waystation.journeys.playing import certificate
from waystation.planning.rules.living.playing import HOW

pytestmark = pytest.mark.django_db
WEEKLY = [7.0 * n + 1 for n in range(104)]


@pytest.fixture(autouse=True)
def network() -> None:
    """Two hubs, two years of weekly needs at Sevilla, a price, one unit on a shelf."""
    near, _ = two_hubs()
    part = a_part()
    part.unit_cost = 500
    part.save()
    take(tickets(WEEKLY))
    on_shelf(near, 1)


def test_siz_12_the_placed_stock_is_played_against_today_and_against_the_centre_alone() -> None:
    """Common needs; each need labelled; the placed stock beats one unit on a shelf by more than chance."""
    found = certificate(system(), now=START)
    names = [p.name for p in found.lone]
    assert names == ["Whole network", "Each shelf by itself", "On the shelves today", "All at the centre"]
    placed, _, today, central = found.lone
    for one in (*found.lone, *found.stormy):
        assert sum(one.how.values()) == pytest.approx(1.0)
        assert tuple(one.how) == HOW
    assert today.better.mean < -3.0 * today.better.error < 0.0
    assert today.empty.mean > placed.empty.mean
    assert today.mttr_h.mean > placed.mttr_h.mean
    assert central.at_once.mean < placed.at_once.mean
    assert found.needs == pytest.approx(52.0, rel=0.3)
    assert found.left_out == 0.0


def test_siz_12_storms_are_worse_than_lone_failures_and_the_same_seed_gives_the_same_figures() -> None:
    """A fifth of ten controllers at once empties what covers one failure a week less often than it is refilled."""
    first, again = certificate(system(), now=START), certificate(system(), now=START)
    assert (first.lone, first.stormy) == (again.lone, again.stormy)
    assert first.stormy[0].empty.mean > first.lone[0].empty.mean


def test_siz_12_where_no_stock_keeps_the_limits_the_others_are_still_compared() -> None:
    """The conflict is told, and the first in the list is not a certified plan."""
    found = certificate(system(), now=START, budget=500.0)
    assert place(system(), now=START, budget=500.0).placing.conflict == found.whole.placing.conflict != ()
    assert found.lone[0].name == "Each shelf by itself"


def test_siz_12_needs_of_no_site_are_left_out_and_counted() -> None:
    """A ticket that names a hub where nothing of that group is installed has no way into service."""
    take(
        csv_of("id,opened_at,region,family", [f"Z{n},2026-1{n % 2}-0{n % 9 + 1},madrid,controller" for n in range(12)])
    )
    assert certificate(system(), now=START).left_out > 0.0
