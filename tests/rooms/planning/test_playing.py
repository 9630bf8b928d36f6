"""Stocks played out: held against the exact law, common to all stocks, each need with what met it, storms."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.rooms.planning.oracles import poisson_law
from waystation.kernel.refusals import BadInput
from waystation.planning.rules.exact import exact
from waystation.planning.rules.fleet import fleet
from waystation.planning.rules.living.playing import HOW, Asked, Group, KitAsked, Played, Source, Storms, play

RATES = {"east": 14.0, "west": 9.0}
DAYS_TO = {"east": 5.0, "west": 9.0}
GROUP = Group("fan", (30.0,))


def asked(laterals: bool = False, hours: float = 2.0) -> list[Asked]:
    """A site of each hub; with laterals the other hub and the centre reach it too, later."""
    found = []
    for hub, other in (("east", "west"), ("west", "east")):
        sources = [Source(hub, (hours,), 10.0)]
        if laterals:
            sources += [Source(other, (8.0,), 90.0), Source("centre", (20.0,), 150.0)]
        found.append(Asked(f"site-{hub}", "fan", RATES[hub], 20, hub, 4.0, tuple(sources)))
    return found


def stock(centre: int, east: int, west: int) -> dict[tuple[str, str], int]:
    """Units of the one group."""
    return {("centre", "fan"): centre, ("east", "fan"): east, ("west", "fan"): west}


def one(rows: list[Asked], held: dict[tuple[str, str], int], group: Group = GROUP, **more: object) -> Played:
    """A single stock."""
    return play(rows, [group], "centre", DAYS_TO, {"it": held}, **more)[0]  # type: ignore[arg-type]


@pytest.mark.parametrize("held", [(0, 1, 1), (1, 1, 0), (2, 1, 2), (0, 3, 2)])
def test_siz_12_without_laterals_a_played_stock_is_what_the_exact_law_says(held: tuple[int, int, int]) -> None:
    """Poisson needs, fixed ways: the share met at once lies within four standard errors of the exact law."""
    tree = fleet(
        [-1, 0, 0],
        [30.0 / 365.25, 5.0 / 365.25, 9.0 / 365.25],
        np.array([[0.0, RATES["east"], RATES["west"]]]),
        np.ones(1),
        np.ones(1),
    )
    law = exact(tree, np.arange(1), np.array([held], dtype=np.int64))
    share = float((law.fill[0, 1] * RATES["east"] + law.fill[0, 2] * RATES["west"]) / sum(RATES.values()))
    found = one(asked(), stock(*held))
    assert found.at_once.holds(share, 4.0), (found.at_once, share)


@settings(max_examples=15, deadline=None)
@given(held=st.tuples(*[st.integers(0, 3)] * 3), laterals=st.booleans(), seed=st.integers(0, 50))
def test_siz_12_every_need_is_met_in_one_way_and_none_is_lost(
    held: tuple[int, int, int], laterals: bool, seed: int
) -> None:
    """Shares add up; each need is restored in the end; what is met at once from its own hub takes its own way."""
    found = one(asked(laterals), stock(*held), seed=seed)
    assert set(found.how) == set(HOW)
    assert sum(found.how.values()) == pytest.approx(1.0)
    assert found.never.mean == found.how["no way to the site"] == 0.0
    assert found.how["own hub"] == pytest.approx(found.at_once.mean, abs=0.02)
    assert found.mttr_h.mean >= 2.0
    assert found.trips.mean >= 0.0
    assert (found.trips.mean > 0.0) <= laterals


def test_siz_12_stocks_are_compared_need_for_need() -> None:
    """The same stock under two names differs by nothing at all; a larger one is never worse; two runs are alike."""
    held = {"small": stock(1, 1, 1), "again": stock(1, 1, 1), "large": stock(3, 2, 2)}
    small, again, large = play(asked(), [GROUP], "centre", DAYS_TO, held)
    assert (again.better.mean, again.better.error) == (0.0, 0.0)
    assert replace(small, name="again") == again
    assert large.better.mean > 4.0 * large.better.error > 0.0
    assert large.better.error < (small.in_time.error**2 + large.in_time.error**2) ** 0.5
    assert play(asked(), [GROUP], "centre", DAYS_TO, held) == (small, again, large)


def test_siz_12_another_hub_helps_out_at_the_price_of_a_trip() -> None:
    """With laterals fewer wait; each such trip is counted and costs what its way costs."""
    alone, helped = one(asked(), stock(0, 1, 1)), one(asked(laterals=True), stock(0, 1, 1))
    assert helped.mttr_h.mean < alone.mttr_h.mean
    assert helped.how["another hub"] > 0.05
    assert helped.freight.mean == pytest.approx(90.0 * helped.trips.mean)


def test_siz_12_all_at_the_centre_is_restored_later_than_the_same_units_at_the_hubs() -> None:
    """The unit exists, and the need waits for it all the same."""
    held = {"hubs": stock(0, 3, 3), "central only": stock(6, 0, 0)}
    hubs, central = play(asked(), [GROUP], "centre", DAYS_TO, held)
    assert central.how["waited for the centre"] > 0.8
    assert central.better.mean < -4.0 * central.better.error
    assert central.mttr_h.mean > hubs.mttr_h.mean


def test_siz_12_days_on_which_many_fail_empty_the_shelves_that_lone_failures_do_not() -> None:
    """A stock that is fine against lone failures meets fewer needs at once when a third of a region fails together."""
    calm = one(asked(), stock(2, 4, 4))
    rough = one(asked(), stock(2, 4, 4), storms=Storms(4.0, 0.35))
    assert calm.at_once.mean > 0.97
    assert rough.at_once.mean < calm.at_once.mean - 4.0 * rough.at_once.error


def test_siz_12_a_rate_that_is_not_well_known_and_failures_in_bunches_cost_service() -> None:
    """Both widen what may be asked of a shelf."""
    plain = one(asked(), stock(2, 2, 2))
    assert one(asked(), stock(2, 2, 2), replace(GROUP, doubt=0.5)).at_once.mean < plain.at_once.mean
    assert one(asked(), stock(2, 2, 2), replace(GROUP, dispersion=2.5)).at_once.mean < plain.at_once.mean


def test_siz_12_a_site_that_nothing_reaches_is_never_restored_and_says_so() -> None:
    """No way: counted, never in time, and outside the mean time to restore."""
    rows = [replace(asked()[0], sources=()), asked()[1]]
    found = one(rows, stock(5, 9, 9))
    assert found.never.mean == pytest.approx(RATES["east"] / sum(RATES.values()), abs=0.05)
    assert found.in_time.mean <= 1.0 - found.never.mean + 1e-9
    assert found.mttr_h.mean == pytest.approx(2.0, abs=0.5)


def a_kit(per_year: float = 12.0) -> KitAsked:
    """A fan and a pump at once, at a site that the centre itself serves."""
    way = (Source("centre", (2.0,)),)
    return KitAsked(tuple(Asked("site", g, 0.0, 20, "centre", 4.0, way) for g in ("fan", "pump")), per_year)


def in_kits(fans: int, pumps: int, kits: list[KitAsked], rows: list[Asked] | None = None) -> Played:
    """Both groups held at the centre."""
    held = {("centre", "fan"): fans, ("centre", "pump"): pumps}
    groups = [GROUP, Group("pump", (45.0,))]
    return play(rows or [], groups, "centre", {}, {"it": held}, kits=kits)[0]


@pytest.mark.parametrize(("fans", "pumps"), [(2, 2), (1, 3), (3, 1)])
def test_siz_12_a_kit_is_met_when_its_scarcer_line_is_there(fans: int, pumps: int) -> None:
    """Both lines are outstanding for the same needs: those of the last 30 and 45 days. The exact joint law holds."""
    means = 12.0 * 30.0 / 365.25, 12.0 * 15.0 / 365.25  # of the last 30 days, and of the 15 before
    both = [poisson_law(mean) for mean in means]
    share = sum(
        both[0][near] * both[1][far] for near in range(min(fans, pumps)) for far in range(pumps) if near + far < pumps
    )
    found = in_kits(fans, pumps, [a_kit()])
    assert found.at_once.holds(share, 4.0), (found.at_once, share)
    assert sum(found.how.values()) == pytest.approx(1.0)


def test_siz_12_a_kit_counts_as_one_need_and_waits_for_its_last_line() -> None:
    """Without a pump no kit is ever met at once, though fans lie there; each line alone would be another need."""
    kits, lines = in_kits(9, 0, [a_kit()]), in_kits(9, 0, [], [replace(a, per_year=12.0) for a in a_kit().lines])
    assert kits.at_once.mean == kits.in_time.mean == 0.0
    assert kits.empty.mean == pytest.approx(12.0, rel=0.2)
    assert kits.mttr_h.mean == pytest.approx(24.0 * 45.0 + 2.0, rel=0.02)
    assert lines.at_once.mean == pytest.approx(0.5, abs=0.05)


def test_siz_12_nothing_to_play_and_too_much_to_play_are_refused() -> None:
    """By name."""
    for rows in ([], [replace(a, per_year=0.0) for a in asked()]):
        with pytest.raises(BadInput, match="Nothing is asked for"):
            one(rows, stock(1, 1, 1))
    with pytest.raises(BadInput, match="too many"):
        one([replace(a, per_year=50_000.0) for a in asked()], stock(1, 1, 1))
