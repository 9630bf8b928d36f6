"""A month document: its sums are those of its lines, its gaps are named, its differences are facts."""

from __future__ import annotations

import copy
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from waystation.kernel.refusals import BadInput
from waystation.service_levels.rules import month as rules

HOURS = st.integers(0, 744)
SITES = ("cordoba", "faro", "huelva")


def _site(code: str, kept: str, proven_h: int, out_h: int, lost_h: int, covered_h: int) -> dict[str, Any]:
    signals = {"proven_s": proven_h * 3600, "out_s": out_h * 3600, "not_proven_s": lost_h * 3600, "waiting_s": 0}
    return {
        "site_id": f"id-{code}",
        "site": code,
        "name": code.title(),
        "network": "iberia",
        "region": "",
        "kept": kept,
        "signals": signals,
        "calibration": {"probes": 1, "judged_s": 744 * 3600, "covered_s": covered_h * 3600},
        "promises": [],
    }


def _window(code: str, number: int, outcome: str) -> dict[str, Any]:
    came = "" if outcome == "missed" else "2026-10-02T08:00:00Z"
    return {
        "id": f"w-{number}",
        "site_id": f"id-{code}",
        "site": code,
        "at": "2026-10-02T08:00:00Z",
        "what": "defrost",
        "vendor": "Coolfix",
        "started_at": came,
        "outcome": outcome,
    }


sites = st.builds(_site, st.just(""), st.sampled_from(["yes", "no", "unknown"]), HOURS, HOURS, HOURS, HOURS)


@st.composite
def documents(draw: st.DrawFn) -> dict[str, Any]:
    """A network of up to three sites with windows."""
    found = []
    for code in SITES[: draw(st.integers(1, 3))]:
        found.append(draw(sites) | {"site": code, "site_id": f"id-{code}"})
    outcomes = draw(st.lists(st.sampled_from(["complete", "late", "missed", "planned"]), max_size=6))
    windows = [_window(found[i % len(found)]["site"], i, outcome) for i, outcome in enumerate(outcomes)]
    empty: dict[str, Any] = {name: [] for name in rules.SECTIONS}
    begins = {"schema": rules.SCHEMA, "month": "2026-10", "start": "2026-10-01T00:00:00Z", "changes": []}
    return begins | {"settled_at": "2026-11-04T00:00:00Z", "sites": found} | empty | {"windows": windows}


@given(documents())
def test_sla_12_the_sums_of_a_report_are_those_of_its_lines(document: dict[str, Any]) -> None:
    """Attainment counts only what is shown to be kept; uptime is shown time of expected time, never rounded up."""
    said = rules.summary(document)
    lines = document["sites"]
    kept = sum(line["kept"] == "yes" for line in lines)
    assert said["sites_kept"] + said["sites_broken"] + said["sites_unknown"] == said["sites"] == len(lines)
    assert said["attainment_pct"] <= Fraction(100 * kept, len(lines)) + Fraction(1, 10**6)
    shown = sum(line["signals"]["proven_s"] + line["signals"]["out_s"] for line in lines)
    whole = shown + sum(line["signals"]["not_proven_s"] for line in lines)
    if whole == 0:
        assert said["uptime_pct"] is None
    else:
        exact = Fraction(100 * shown, whole)
        assert exact - Fraction(2, 100) < Fraction(said["uptime_pct"]) <= exact + Fraction(1, 10**6)
        assert (said["uptime_pct"] == 100.0) == (shown == whole)


@given(documents())
def test_evd_13_what_lacks_and_what_was_had_is_what_was_expected(document: dict[str, Any]) -> None:
    """By kind: had and the gaps named add up to expected; the report's share is the least complete kind's."""
    found = rules.inputs(document)
    for kind in found["kinds"]:
        lacks = sum(gap["lacks"] for gap in found["missing"] if gap["input"] == kind["input"])
        assert kind["had"] + lacks == pytest.approx(kind["expected"], abs=0.05)
    shares = [kind["pct"] for kind in found["kinds"] if kind["pct"] is not None]
    assert found["complete_pct"] == min(shares)
    assert (found["complete_pct"] == 100.0) == (found["missing"] == [])


@given(documents(), st.sampled_from(SITES))
def test_sla_12_a_part_and_the_rest_are_the_whole(document: dict[str, Any], code: str) -> None:
    """No line and no record is lost or doubled between one site's part and that of the others."""
    one = rules.scoped(document, lambda s: s["site"] == code, code)
    rest = rules.scoped(document, lambda s: s["site"] != code, "rest")
    for name in ("sites", *rules.SECTIONS):
        assert sorted(map(str, one[name] + rest[name])) == sorted(map(str, document[name]))
    assert one["summary"]["sites"] + rest["summary"]["sites"] == len(document["sites"])


@given(documents(), st.integers(1, 3600))
def test_sla_12_only_facts_make_a_difference(document: dict[str, Any], seconds: int) -> None:
    """Another name, region or targets' words is none; a second less, a lost record or a new one is, at its site."""
    assert rules.differences(document, copy.deepcopy(document)) == []
    renamed = copy.deepcopy(document)
    renamed["sites"][0] |= {"name": "Other", "region": "hub-2", "state": "paused"}
    assert rules.differences(document, renamed) == []
    less = copy.deepcopy(document)
    less["sites"][0]["signals"]["proven_s"] += seconds
    assert [d["site"] for d in rules.differences(document, less)] == [document["sites"][0]["site"]]
    more = copy.deepcopy(document)
    more["windows"].append(_window(document["sites"][0]["site"], 99, "late"))
    assert [d["words"] for d in rules.differences(document, more)] == ["windows of 2026-10-02T08:00:00Z: was added"]
    assert len(rules.differences(more, document)) == 1


@given(st.integers(18_000, 22_000), st.integers(0, 400))
def test_sla_12_months_are_closed_in_a_row_and_only_when_settled(first: int, days: int) -> None:
    """Each month begins where the one before ends; none is listed before its end and 72 hours more."""
    since = datetime.fromtimestamp(first * 86_400, UTC)
    now = since + timedelta(days=days)
    found = rules.closed_months(since, now)
    for month in found:
        start, end = rules.bounds(month)
        assert (start.day, start.hour, end.day) == (1, 0, 1)
        assert end > since
        assert end + timedelta(hours=72) <= now
    for one, other in pairwise(found):
        assert rules.bounds(one)[1] == rules.bounds(other)[0]
    open_month = f"{now:%Y-%m}"
    assert open_month not in found


@pytest.mark.parametrize("words", ["2026-13", "2026-1", "last", "", "2026-10-01", "1999-10"])
def test_sla_12_what_is_no_month_is_refused(words: str) -> None:
    """With the field, and how to write it."""
    with pytest.raises(BadInput) as refused:
        rules.bounds(words)
    assert refused.value.field == "month"
