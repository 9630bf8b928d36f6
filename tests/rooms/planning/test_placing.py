"""Stock over a network at once: the least capital that keeps the classes, within floors, beside every other stock."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from waystation.kernel.refusals import BadInput, NotReady
from waystation.planning.rules.fleet import seen, waiting
from waystation.planning.rules.living.in_time import AS_GOOD, lenders
from waystation.planning.rules.living.kits import Kit, alone, apart, kits
from waystation.planning.rules.living.placing import PLACED, UNLENT, Placing, Tree, curve, placed, problem_of
from waystation.planning.rules.living.redesign import Stream, Terms
from waystation.planning.rules.living.vendors import Left, left
from waystation.planning.rules.planner import lay

MOST = 5


def streams(near: float, far: float, group: str = "fan") -> list[Stream]:
    """Needs a year at a site of each hub."""
    return [
        Stream("alicante", group, near, (("east", 0.9),), "east"),
        Stream("badajoz", group, far, (("west", 0.5),), "west"),
    ]


def tree(cover: float = 0.9, floors: dict[tuple[str, str], int] | None = None, supply: float = 30.0) -> Tree:
    """A centre two days from both hubs."""
    sites = ("alicante", "badajoz")
    return Tree(
        "centre",
        {"east": 2.0, "west": 3.0},
        {"fan": supply, "pump": supply},
        dict.fromkeys(sites, "A"),
        {"A": cover},
        floors or {},
        dict.fromkeys(sites, 4.0),
    )


def terms(group: str = "fan", cost: float = 100.0, doubt: float = 0.0) -> Terms:
    """What sizes a group."""
    return Terms(group, cost, (30.0,), 1.0, doubt, 0.9)


def units(found: Placing, group: str = "fan") -> tuple[int, int, int]:
    """At the centre, east and west."""
    told = {s.hub: s.units for s in found.shelves if s.group == group}
    return told["centre"], told["east"], told["west"]


def every_stock(near: float, far: float, of: Tree) -> list[tuple[tuple[int, ...], float, float]]:
    """Every stock of up to five units a shelf with its share met at once and the units waited for."""
    fleet = lay(problem_of(streams(near, far), [terms()], of, None)).fleet
    rates, found = fleet.rate[0], []
    for stock in itertools.product(range(MOST + 1), repeat=3):
        at = seen(fleet, np.arange(1), np.array([stock], dtype=np.int64))
        found.append((stock, float(at.fill[0] @ rates / rates.sum()), float(waiting(fleet, at.ebo)[0])))
    return found


@settings(max_examples=25, deadline=None)
@given(near=st.floats(0.5, 12.0), far=st.floats(0.5, 12.0), cover=st.sampled_from([0.6, 0.8, 0.9]))
def test_siz_12_the_least_capital_of_a_small_network_is_that_of_every_stock_tried(
    near: float, far: float, cover: float
) -> None:
    """One part, three shelves: what is found costs what the cheapest of all stocks costs, and keeps the class."""
    found = placed(streams(near, far), [terms()], tree(cover), {})
    tried = [100.0 * sum(stock) for stock, fill, _ in every_stock(near, far, tree(cover)) if fill >= cover - 1e-9]
    assert found.value == pytest.approx(min(tried))
    assert found.bound <= found.value + 1e-6
    assert found.classes[0].reached >= cover - 1e-9
    assert max(units(found)) <= MOST  # else the trial would have been too small


@settings(max_examples=25, deadline=None)
@given(near=st.floats(0.5, 12.0), far=st.floats(0.5, 12.0), money=st.integers(2, 8))
def test_siz_12_the_least_waiting_of_a_budget_is_that_of_every_stock_tried(near: float, far: float, money: int) -> None:
    """No class asks for anything here: the budget alone decides."""
    free = replace(tree(), cover={})
    found = placed(streams(near, far), [terms()], free, {}, budget=100.0 * money)
    tried = [wait for stock, _, wait in every_stock(near, far, free) if sum(stock) <= money]
    assert found.value == pytest.approx(min(tried), rel=1e-6, abs=1e-9)
    assert found.bound <= found.value + 1e-9


@settings(max_examples=25, deadline=None)
@given(floors=st.tuples(*[st.integers(0, 3)] * 3), near=st.floats(0.0, 6.0), far=st.floats(0.5, 6.0))
def test_siz_09_no_shelf_of_the_network_is_planned_below_the_floor_of_its_class(
    floors: tuple[int, int, int], near: float, far: float
) -> None:
    """A floor holds also where nothing is needed, or where a unit elsewhere would do more."""
    named = {(hub, "fan"): least for hub, least in zip(("centre", "east", "west"), floors, strict=True)}
    found = placed(streams(near, far), [terms()], tree(floors=named), {})
    held = {s.hub: s.units for s in found.shelves}
    assert all(held.get(hub, 0) >= least for (hub, _), least in named.items())
    assert found.value == pytest.approx(100.0 * sum(held.values()))


def test_siz_12_a_unit_at_the_centre_stands_behind_both_hubs() -> None:
    """Long supply, short ways: pooled at the centre it costs less than each hub waiting for supply by itself."""
    alone = {(hub, "fan"): 5 for hub in ("east", "west")}
    found = placed(streams(12.0, 12.0), [terms()], tree(0.9, supply=60.0), {"Each by itself": alone})
    whole, apart = found.judged
    assert units(found)[0] > 0
    assert whole.capital < apart.capital
    assert whole.share >= apart.share - 0.1


def test_siz_12_limits_that_cannot_all_hold_are_named_with_the_floors() -> None:
    """One unit of money for a class of nine in ten: budget, class and floors stand in the words, and no stock does."""
    named = {("east", "fan"): 1}
    found = placed(streams(12.0, 12.0), [terms()], tree(0.9, named), {"Live": {}}, budget=100.0)
    assert found.shelves == ()
    assert any("budget of 100" in words for words in found.conflict)
    assert any("class A" in words for words in found.conflict)
    assert found.conflict[-1] == "floors of the classes, 1 unit"
    assert [j.name for j in found.judged] == ["Live"]


def test_siz_12_what_has_no_price_is_left_out_by_name_and_an_empty_network_is_refused() -> None:
    """Money cannot weigh what costs nothing."""
    both = [*streams(6.0, 6.0), *streams(6.0, 6.0, "pump")]
    found = placed(both, [terms(), terms("pump", 0.0)], tree(), {})
    assert found.unpriced == ("pump",)
    assert {s.group for s in found.shelves} == {"fan"}
    with pytest.raises(NotReady) as refused:
        placed(both, [terms("fan", 0.0)], tree(), {})
    assert refused.value.code == "planning.network"


def test_siz_12_a_rate_that_is_not_well_known_asks_for_more() -> None:
    """Doubt widens what is outstanding, most where the wait is long."""
    long = tree(supply=120.0)
    sure = placed(streams(12.0, 12.0), [terms()], long, {})
    unsure = placed(streams(12.0, 12.0), [terms(doubt=2.0)], long, {})
    assert unsure.value > sure.value


def test_siz_12_the_curve_rises_from_the_floors_and_no_point_beats_what_the_ways_allow() -> None:
    """Its first point is what the floors cost; it ends where the ways, not the stock, are the limit."""
    named = {("east", "fan"): 1, ("centre", "fan"): 1}
    points = curve(streams(12.0, 12.0), [terms()], tree(floors=named))
    assert points[0][0] == 200.0
    assert len(points) > 5
    assert [s for _, s in points] == sorted(s for _, s in points)
    assert points[-1][1] == pytest.approx((0.9 + 0.5) / 2.0, abs=1e-3)


@pytest.mark.parametrize("wrong", [-1.0, float("nan"), float("inf")])
def test_siz_12_a_budget_that_is_no_amount_is_refused(wrong: float) -> None:
    """Negative, not a number, endless."""
    with pytest.raises(BadInput, match="budget"):
        placed(streams(6.0, 6.0), [terms()], tree(), {}, budget=wrong)


def test_siz_12_stock_at_a_hub_of_which_nothing_is_asked_is_capital_all_the_same() -> None:
    """It restores nothing, and is not left out of what lies there."""
    spread = replace(tree(), days_to={"east": 2.0, "west": 3.0, "north": 4.0})
    found = placed(streams(6.0, 6.0), [terms()], spread, {"Today": {("north", "fan"): 7}})
    assert found.judged[1].capital == 700.0
    assert found.judged[1].share == 0.0


def test_cls_02_a_part_restored_too_late_counts_as_not_in_time() -> None:
    """A hub that reaches its sites in time nine times of ten restores no more than that, however much it holds."""
    much = {(hub, "fan"): 50 for hub in ("centre", "east", "west")}
    found = placed(streams(10.0, 10.0), [terms()], tree(), {"Much": much})
    assert found.judged[1].share == pytest.approx((0.9 + 0.5) / 2.0, abs=1e-3)


def test_siz_12_a_kit_is_as_frequent_as_its_rarest_line_and_no_need_is_counted_twice() -> None:
    """Half of the fans, nearly all pumps: the streams less the kits, and the kits, make the whole."""
    both = [*streams(6.0, 4.0), *streams(2.0, 3.0, "pump")]
    found = kits(both, {("east", frozenset(("fan", "pump"))): 5}, {("east", "fan"): 9.0, ("east", "pump"): 5.0})
    assert found == (Kit("alicante", "east", ("fan", "pump"), 2.0 * 5.0 / 6.0, 0.9, ("alicante", "alicante")),)
    rest = {(s.hub, s.group): s.per_year for s in alone(both, found)}
    both_east = found[0].per_year
    assert rest == {
        ("east", "fan"): 6.0 - both_east,
        ("west", "fan"): 4.0,
        ("east", "pump"): 2.0 - both_east,
        ("west", "pump"): 3.0,
    }


def test_siz_12_a_line_of_which_nobody_knows_the_site_is_shared_by_the_sites_that_need_it() -> None:
    """Pumps are asked of the hub by nobody in particular: they come with the fans of two sites, as these fail."""
    fans = [Stream(site, "fan", rate, (("east", 0.9),), "east") for site, rate in (("alicante", 6.0), ("murcia", 2.0))]
    every = [*fans, Stream("", "pump", 4.0, (("east", 1.0),), "east")]
    took = {("east", frozenset(("fan", "pump"))): 5}
    found = kits(every, took, {("east", "fan"): 9.0, ("east", "pump"): 5.0})
    assert [(k.site, k.per_year, k.known_at) for k in found] == [
        ("alicante", pytest.approx(4.0 * 5.0 / 6.0 * 0.75), ("alicante", "")),
        ("murcia", pytest.approx(4.0 * 5.0 / 6.0 * 0.25), ("murcia", "")),
    ]
    assert sum(s.per_year for s in alone(every, found)) == pytest.approx(12.0 - 2.0 * 4.0 * 5.0 / 6.0)
    assert apart(found, took) == 0
    here = replace(
        tree(), class_of=dict.fromkeys(("alicante", "murcia"), "A"), tolerable_h={"alicante": 4.0, "murcia": 4.0}
    )
    told = placed(every, [terms(), terms("pump", 60.0)], here, {}, kits=found)
    assert told.classes[0].reached >= 0.9 - 1e-9
    assert units(told)[1] > 0 < units(told, "pump")[1]


def test_siz_12_what_no_site_has_together_is_told_and_not_planned_as_a_kit() -> None:
    """Fans at one site, pumps at the other of a hub: two failures took both, and their lines stand one by one."""
    here = [Stream("alicante", "fan", 6.0, (), "east"), Stream("murcia", "pump", 2.0, (), "east")]
    took = {("east", frozenset(("fan", "pump"))): 2}
    found = kits(here, took, {("east", "fan"): 10.0, ("east", "pump"): 5.0})
    assert found == ()
    assert apart(found, took) == 2
    assert alone(here, found) == tuple(here)


@settings(max_examples=40, deadline=None)
@given(rates=st.tuples(*[st.floats(0.0, 9.0)] * 3), counts=st.tuples(*[st.integers(0, 6)] * 3), extra=st.integers(0, 9))
def test_siz_12_kits_never_take_more_of_a_line_than_is_needed_of_it(
    rates: tuple[float, float, float], counts: tuple[int, int, int], extra: int
) -> None:
    """Three groups in all their pairs: what is left of each stream is not negative, and nothing is invented."""
    names = ("fan", "pump", "valve")
    given_ = [Stream("alicante", g, r, (("east", 0.9),), "east") for g, r in zip(names, rates, strict=True)]
    pairs = dict(zip(itertools.combinations(names, 2), counts, strict=True))
    together = {("east", frozenset(pair)): n for pair, n in pairs.items() if n}
    needed = {("east", g): float(sum(n for pair, n in pairs.items() if g in pair) + extra) for g in names}
    found = kits(given_, together, needed)
    rest = {s.group: s.per_year for s in alone(given_, found)}
    for stream in given_:
        taken = sum(k.per_year for k in found if stream.group in k.groups)
        assert taken <= stream.per_year + 1e-9
        assert rest[stream.group] + taken == pytest.approx(stream.per_year)


def test_siz_12_what_is_needed_together_is_stocked_together() -> None:
    """The same needs as kits hold more, and both lines; judged in time, one line alone restores nothing."""
    both = [*streams(8.0, 1.0), *streams(8.0, 1.0, "pump")]
    priced = [terms(), terms("pump", 60.0)]
    joint = [Kit("alicante", "east", ("fan", "pump"), 8.0, 0.9, ("alicante", "alicante"))]
    fans = {("east", "fan"): 9, ("centre", "fan"): 9}
    apart, together = placed(both, priced, tree(), {}), placed(both, priced, tree(), {"Fans": fans}, kits=joint)
    assert together.value > apart.value
    assert together.classes[0].reached >= 0.9 - 1e-9
    assert units(together)[1] > 0 < units(together, "pump")[1]
    assert together.judged[1].share < 0.2
    assert placed(both, priced, tree(), {"Fans": fans}).judged[1].share > 0.3


def test_siz_12_no_hub_is_filled_beyond_its_slots() -> None:
    """East has two places: what it lacks stands at the centre, at a price; none at all clashes with a floor by name."""
    free = placed(streams(12.0, 12.0), [terms()], tree(0.9), {})
    tight = placed(streams(12.0, 12.0), [terms()], replace(tree(0.85), slots={"east": units(free)[1] - 1}), {})
    assert units(tight)[1] <= units(free)[1] - 1
    full = placed(streams(12.0, 12.0), [terms()], replace(tree(floors={("east", "fan"): 1}), slots={"east": 0}), {})
    assert full.shelves == ()
    assert "shelf of 0 units at east" in full.conflict


def lending(near: float = 9.0, far: float = 4.0) -> list[Stream]:
    """West reaches Alicante as often as its own hub does; East reaches Badajoz too rarely."""
    return [
        Stream("alicante", "fan", near, (("east", 0.9), ("west", 0.9)), "east"),
        Stream("badajoz", "fan", far, (("west", 0.99), ("east", 0.6)), "west"),
    ]


def test_siz_12_a_hub_lends_where_it_reaches_as_often_as_the_own_hub_or_nearly_always() -> None:
    """Nine of ten is as good as the own hub's; six of ten is not; never is not; and every group has to come."""
    assert lenders(lending()) == {"alicante": ("west",)}
    assert lenders([Stream("faro", "fan", 1.0, (("east", 1.0), ("west", AS_GOOD)), "east")]) == {"faro": ("west",)}
    assert lenders([Stream("evora", "fan", 1.0, (("east", 0.0), ("west", 0.0)), "east")]) == {}
    heavy = Stream("alicante", "pump", 1.0, (("east", 0.9), ("west", 0.0)), "east")
    assert lenders([*lending(), heavy]) == {}
    assert lenders([Stream("", "fan", 1.0, (("east", 1.0), ("west", 1.0)), "east")]) == {}


def test_siz_12_a_network_that_lends_buys_less_for_the_same_classes_and_says_what_it_saves() -> None:
    """Beside it stands the plan in which nothing is lent, judged alike."""
    found = placed(lending(), [terms()], tree(0.95), {})
    whole, unlent = found.judged
    assert (whole.name, unlent.name) == (PLACED, UNLENT)
    assert whole.capital < unlent.capital
    assert found.bound <= found.value
    assert found.classes[0].reached >= 0.95 - 1e-9
    assert found.lenders == {"alicante": ("west",)}


def test_siz_12_a_lent_unit_is_in_time_as_often_as_the_lender_reaches() -> None:
    """All units lie in the west: Alicante is restored nine times of ten, Badajoz ninety-nine of a hundred."""
    much = {("west", "fan"): 60}
    found = placed(lending(9.0, 4.0), [terms()], tree(), {"West": much})
    judged = next(j for j in found.judged if j.name == "West")
    assert judged.share == pytest.approx((9.0 * 0.9 + 4.0 * 0.99) / 13.0, abs=1e-3)


def test_siz_12_the_curve_of_a_network_that_lends_ends_where_its_ways_are_the_limit() -> None:
    """It begins at the floors, and rises with money."""
    points = curve(lending(), [terms()], tree(floors={("east", "fan"): 1}))
    assert points[0][0] == 100.0
    assert [s for _, s in points] == sorted(s for _, s in points)
    assert points[-1][1] == pytest.approx((9.0 * 0.9 + 4.0 * 0.99) / 13.0, abs=1e-2)


def test_siz_12_needs_of_no_known_site_ask_for_the_strictest_class_that_their_hub_serves() -> None:
    """Nobody knows where the fans of the west fail: they are not left out of what a class asks for."""
    unknown = [streams(6.0, 1.0)[0], Stream("", "fan", 6.0, (("west", 1.0),), "west")]
    strict = replace(tree(0.8), class_of={"alicante": "B", "badajoz": "A"}, cover={"A": 0.97, "B": 0.8})
    found = placed([*unknown, streams(1.0, 1.0)[1]], [terms()], strict, {})
    assert {c.name for c in found.classes} == {"A", "B"}
    assert units(found)[2] > 0
    alone_ = placed(unknown, [terms()], replace(strict, class_of={"alicante": "B"}), {})
    assert units(alone_)[2] > 0  # the west serves no site on record: the strictest class of all
    nobody = placed([unknown[1]], [terms()], replace(strict, class_of={}, cover={}), {})
    assert nobody.classes == ()


def brought(by_vendor: float = 0.9, fee: float = 300.0) -> list[Stream]:
    """A vendor brings fans to Alicante; Badajoz has none."""
    near, far = streams(6.0, 6.0)
    return [replace(near, by_vendor=by_vendor, fee=fee), far]


def test_siz_12_what_a_vendor_brings_as_surely_as_the_own_hub_is_left_to_it_and_paid_for() -> None:
    """Nine of ten is what the hub keeps too; less is not left; a line of a kit, and a need of no site, stay."""
    both = brought()
    assert left(both, ()) == ((both[1],), Left(6.0, 6.0 * 0.9, 1800.0, ("alicante",)))
    assert left(brought(0.89), ()) == (tuple(brought(0.89)), Left())
    assert left([replace(both[0], reach=(("east", 1.0),), by_vendor=0.95)], ())[1].needs == 6.0
    never = replace(both[0], reach=(("east", 0.0),), by_vendor=0.0)
    assert left([never], ()) == ((never,), Left())
    kit = Kit("alicante", "east", ("fan", "pump"), 1.0, 0.9, ("alicante", "alicante"))
    assert left(both, (kit,))[1].needs == 0.0
    nowhere = Stream("", "fan", 2.0, (("east", 1.0),), "east", 1.0, 5.0)
    assert left([nowhere], ()) == ((nowhere,), Left())


def test_siz_12_needs_left_to_vendors_buy_no_unit_and_count_in_time_whatever_lies_there() -> None:
    """The plan costs less; with nothing on any shelf what vendors bring is still restored."""
    kept, told = left(brought(), ())
    whole = placed(brought(), [terms()], tree(), {})
    less = placed(kept, [terms()], tree(), {"Nothing": {}}, brought=told)
    assert less.value < whole.value
    assert units(less)[1] == 0
    assert less.judged[-1].share == pytest.approx(6.0 * 0.9 / 12.0)
    assert less.judged[0].share == pytest.approx((6.0 * 0.9 + 6.0 * 0.5 * less.classes[0].reached) / 12.0, abs=1e-6)
    assert curve(kept, [terms()], tree(), (), told)[0][1] == pytest.approx(6.0 * 0.9 / 12.0)
