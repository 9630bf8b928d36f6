"""Circuits by rule: whether paths fail apart, what speaks against one, traffic classes, reach, and a dispatch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.conftest import START
from waystation.kernel.refusals import BadInput
from waystation.registry.rules.circuit_risk import Levels, Record, reasons
from waystation.registry.rules.dispatch import dispatch
from waystation.registry.rules.diversity import Way, diversity, has_backup
from waystation.registry.rules.reach import Flow, flows_of, reach
from waystation.registry.rules.traffic import KINDS, SHIPPED, contradictions, traffic_of

words = st.sampled_from(["", "a", "b", "A "])
ways = st.lists(st.tuples(words, words, words), max_size=4).map(
    lambda rows: [Way(f"c-{n}", *row) for n, row in enumerate(rows)]
)


def apart(one: str, other: str) -> bool | None:
    """True when two recorded words differ, None when one is missing."""
    a, b = one.strip().lower(), other.strip().lower()
    return a != b if a and b else None


@given(ways)
def test_wan_01_it_passes_only_with_a_pair_that_is_shown_to_fail_apart(found: Sequence[Way]) -> None:
    """Told apart by asking each pair: provider and last mile known to differ, and the medium known."""
    shown = False
    for n, a in enumerate(found):
        for b in found[n + 1 :]:
            parts = (apart(a.provider, b.provider), apart(a.last_mile, b.last_mile))
            shown |= parts == (True, True) and apart(a.medium, b.medium) is not None
    assert diversity(found).passes is shown


@given(ways, st.randoms())
def test_wan_01_the_order_of_circuits_changes_no_verdict(found: list[Way], chance: Any) -> None:
    """Nor does one more circuit ever make it worse."""
    before = diversity(found).verdict
    chance.shuffle(found)
    assert diversity(found).verdict == before
    if before == "diverse":
        assert diversity([*found, Way("more", "x", "x", "x")]).passes


@pytest.mark.parametrize(
    ("one", "other", "verdict", "said"),
    [
        (("iber", "fibre", "duct"), ("iber", "lte", "mast"), "not_diverse", "the same provider"),
        (("iber", "fibre", "duct"), ("neva", "copper", "Duct"), "not_diverse", "the same last mile"),
        (("iber", "fibre", "duct"), ("neva", "lte", ""), "not_shown", "last mile not recorded"),
        (("iber", "fibre", "duct"), ("neva", "lte", "mast"), "diverse", "provider differs"),
        (("iber", "lte", "mast-1"), ("neva", "lte", "mast-2"), "diverse", "the same medium"),
    ],
)
def test_wan_01_two_circuits_of_one_provider_or_last_mile_fail(
    one: tuple[str, str, str], other: tuple[str, str, str], verdict: str, said: str
) -> None:
    """And what nobody recorded is not called diverse."""
    found = diversity([Way("a", *one), Way("b", *other)])
    assert found.verdict == verdict
    assert said in found.words


def test_wan_01_one_circuit_and_none_are_named() -> None:
    """As what they are."""
    assert diversity([]).words == "no circuit is recorded"
    assert diversity([Way("a", "iber", "fibre")]).words == "one circuit only"


@given(ways)
def test_wan_02_a_backup_differs_in_provider_or_medium(found: Sequence[Way]) -> None:
    """Known to differ: what is not recorded is no backup."""
    pairs = [(a, b) for n, a in enumerate(found) for b in found[n + 1 :]]
    wanted = any(apart(a.provider, b.provider) is True or apart(a.medium, b.medium) is True for a, b in pairs)
    assert has_backup(found) is wanted


DIVERSE = diversity([Way("a", "iber", "fibre", "duct"), Way("b", "neva", "lte", "mast")])
CALM = Record(30 * 86400.0, 0.0, 0.0, 0, None, 99.5, True, DIVERSE, date(2028, 1, 1))
STEADY = ([20.0] * 24, [20.0] * 100)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"cut_s": 600.0}, "cut now for 10 min"),
        ({"down_s": 86400.0}, "carried 96.67 %, target 99.5 %"),
        ({"silent_s": 86400.0}, "the site was not reached for 1 d"),
        ({"cuts": 3}, "cut 3 times"),
        ({"levels": Levels(loss_pct=([2.0] * 24, []))}, "loses 2.0 % in the last day"),
        (
            {"levels": Levels(latency_ms=([60.0] * 24, [30.0] * 50))},
            "latency 60 ms in the last day, 30 ms in the days before",
        ),
        ({"diversity": diversity([Way("a", "iber", "fibre")])}, "the only path of a critical site"),
        ({"contract_until": (START + timedelta(days=30)).date()}, "contract ends 17 Dec 2026"),
        ({"contract_until": date(2026, 11, 1)}, "contract ended 01 Nov 2026"),
        ({"windows": [(START, "fibre splice")]}, "maintenance by its provider on 17 Nov 06:00 UTC: fibre splice"),
    ],
)
def test_wan_05_each_thing_alone_is_named_and_nothing_else(changes: dict[str, Any], said: str) -> None:
    """A calm circuit has no reason; each change brings exactly its own."""
    assert reasons(CALM, START) == []
    assert reasons(replace(CALM, **changes), START) == [said]


def test_wan_05_paths_that_fail_together_are_a_risk_and_unrecorded_ones_are_not_called_one() -> None:
    """The verdict stands beside the circuit in both cases."""
    together = diversity([Way("a", "iber", "fibre"), Way("b", "iber", "lte")])
    assert any("fail together" in r for r in reasons(replace(CALM, diversity=together), START))
    unknown = diversity([Way("a", "iber", "fibre"), Way("b", "neva", "lte")])
    assert reasons(replace(CALM, diversity=unknown), START) == []


@pytest.mark.parametrize(
    "levels",
    [
        Levels(*(STEADY, ([0.0] * 24, [0.0] * 100))),
        Levels(latency_ms=([60.0] * 11, [30.0] * 50)),
        Levels(latency_ms=([60.0] * 24, [30.0] * 11)),
        Levels(latency_ms=([30.0] * 24, [15.0] * 50)),
        Levels(loss_pct=([50.0] * 11, [])),
    ],
)
def test_wan_05_a_trend_needs_enough_readings_and_a_real_step(levels: Levels) -> None:
    """A handful of readings, or 15 ms more, is no trend."""
    assert reasons(replace(CALM, levels=levels), START) == []


flows = st.lists(st.builds(Flow, st.sampled_from("abcde"), st.sampled_from("abcde"), st.just("https")), max_size=12)


@given(st.sampled_from("abcde"), flows)
def test_wan_08_a_zone_is_reached_if_and_only_if_a_chain_of_flows_leads_there(zone: str, found: list[Flow]) -> None:
    """Held against the closure by repeated sweeps; each way is a chain from the device's own zone, none shorter."""
    far, steps = {zone: 0}, 0
    while True:
        steps += 1
        more = {f.end for f in found if far.get(f.begin) == steps - 1 and f.end not in far}
        if not more:
            break
        far |= dict.fromkeys(more, steps)
    got = {r.zone: r for r in reach(zone, found)}
    assert {z: len(r.way) for z, r in got.items()} == {z: n for z, n in far.items() if n}
    for one in got.values():
        assert one.way[0].begin == zone
        assert one.way[-1].end == one.zone
        assert all(a.end == b.begin for a, b in zip(one.way, one.way[1:], strict=False))
        assert one.is_direct == (len(one.way) == 1)


@pytest.mark.parametrize(
    "rows", [7, {"from": "a"}, "ab", [1], [{"from": "a", "to": "b"}], [{"from": "a", "to": " ", "what": "x"}]]
)
def test_wan_08_a_flow_without_both_zones_and_a_name_is_refused(rows: Any) -> None:
    """By field."""
    with pytest.raises(BadInput) as refused:
        flows_of(rows)
    assert refused.value.code == "registry.flow"


def test_wan_04_the_shipped_profile_keeps_alarms_first_and_sheds_what_can_wait() -> None:
    """Alarms, telemetry and control go on over the backup; corporate IT, video and guests do not."""
    found = traffic_of([])
    assert [c.kind for c in found] == list(KINDS)
    assert [c.priority for c in found] == [1, 2, 3, 4, 5, 6]
    assert [c.kind for c in found if not c.on_backup] == ["corporate_it", "video", "guest_wifi"]


@given(st.permutations(list(SHIPPED)), st.sets(st.sampled_from(sorted(KINDS))))
def test_wan_04_a_profile_holds_only_while_alarms_lead_and_monitoring_is_carried(
    rows: list[dict[str, Any]], shed: set[str]
) -> None:
    """Every other order and choice is accepted as it is written."""
    asked = [{"kind": r["kind"], "on_backup": r["kind"] not in shed} for r in rows]
    if asked[0]["kind"] != "alarms" or shed & {"alarms", "telemetry"}:
        with pytest.raises(BadInput):
            traffic_of(asked)
        return
    assert [(c.kind, c.on_backup) for c in traffic_of(asked)] == [(a["kind"], a["on_backup"]) for a in asked]


@pytest.mark.parametrize("rows", [7, ["x"], [{"kind": "alarms"}], [*SHIPPED, SHIPPED[1]], list(SHIPPED)[:5]])
def test_wan_04_a_list_that_does_not_name_each_class_once_is_refused(rows: Any) -> None:
    """By field."""
    with pytest.raises(BadInput) as refused:
        traffic_of(rows)
    assert refused.value.code == "registry.traffic"


def test_wan_04_an_agent_that_sheds_what_the_profile_carries_is_named() -> None:
    """Old telemetry shed on backup contradicts the profile; nothing shed contradicts nothing."""
    assert contradictions(traffic_of([]), []) == []
    assert contradictions(traffic_of([]), ["backlog", "?"]) == ["the agent sheds backlog, which is telemetry"]


@given(st.dictionaries(st.sampled_from(["Circuit", "Account", "Site"]), st.sampled_from(["", " ", "x\ny", "IBL-1"])))
def test_wan_06_a_dispatch_says_every_line_and_names_each_blank(lines: dict[str, str]) -> None:
    """One line for each fact; what the record lacks is said in the text and in the list."""
    found = dispatch("", "+34 900", "Córdoba: circuit down", lines)
    assert len([x for x in found.body.split("\n") if x]) == len(lines)
    assert set(found.blank) == {"E-mail"} | {name for name, value in lines.items() if not value.strip()}
    for name in lines:
        assert (f"{name}: not recorded" in found.body) is (name in found.blank)
