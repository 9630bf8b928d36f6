"""Every known-answer case of the families that telemetry's rules answer."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from tests.rooms.telemetry.oracle import data_folder
from waystation.telemetry.rules import calibration, continuity, forwarding, guard_band, local_time, usp
from waystation.telemetry.rules.mkt import MktSum, mkt_equal_c
from waystation.telemetry.rules.profile import Profile, parse_rule
from waystation.telemetry.rules.series import Reading, is_usable
from waystation.telemetry.rules.verdict import SensorJudgement, judge_sensor


def cases(family: str) -> list[tuple[str, dict[str, Any], dict[str, Any]]]:
    """(id, input, expect) of one family."""
    folder = data_folder("compliance-cases")
    if folder is None:
        return []
    document = json.loads((folder / f"{family}.json").read_text())
    return [(case["id"], case["input"], case["expect"]) for case in document["cases"]]


def at(text: str) -> float:
    """RFC 3339 as Unix seconds."""
    return datetime.fromisoformat(text).timestamp()


def stamp(at_s: float | None) -> str | None:
    """Unix seconds as the cases write them."""
    return None if at_s is None else datetime.fromtimestamp(at_s, UTC).isoformat().replace("+00:00", "Z")


def readings(rows: list[list[str | None]]) -> list[Reading]:
    """The cases' readings."""
    return [Reading(at(str(when)), None if value is None else float(value)) for when, value in rows]


def judged(given: dict[str, Any]) -> SensorJudgement:
    """The case's period, judged against its rules (the profile's own limits play no part)."""
    rules = tuple(parse_rule(rule) for rule in given.get("rules", ()))
    profile = Profile("case", -300.0, 300.0, rules=rules)
    return judge_sensor(readings(given["readings"]), profile, given["max_hold_s"], at(given["start"]), at(given["end"]))


def alarm_answer(given: dict[str, Any]) -> dict[str, Any]:
    """An alarm case answered in the shape of its `expect`."""
    result = judged(given)
    rules: list[dict[str, Any]] = []
    for rule in result.rules:
        if rule.rule.mode == "cumulative":
            rules.append(
                {
                    "rule": rule.rule.id,
                    "cumulative_s": rule.cumulative_s,
                    "alarmed": rule.is_alarmed,
                    "alarm_at": stamp(rule.alarm_at_s),
                }
            )
            continue
        runs = [
            {
                "start": stamp(run.start_s),
                "end": stamp(run.end_s),
                "measured_s": run.measured_s,
                "unknown_inside_s": run.unknown_s,
                "extreme_c": str(run.extreme_c),
                "alarm_at": stamp(run.alarm_at_s),
                "worst_case_alarm_at": stamp(run.worst_case_alarm_at_s),
            }
            for run in rule.runs
        ]
        rules.append(
            {
                "rule": rule.rule.id,
                "excursions": runs,
                "alarmed": rule.is_alarmed,
                "alarmed_worst_case": rule.is_alarmed_worst_case,
            }
        )
    gaps = [{"start": stamp(g.start_s), "end": stamp(g.end_s), "seconds": g.end_s - g.start_s} for g in result.gaps]
    return {"gaps": gaps, "covered_s": result.covered_s, "rules": rules}


def test_device_alarm_rules_answer_every_case() -> None:
    """Single events, cumulative sums, gaps inside, late arrival, duplicates."""
    for family in ("alarm-single", "alarm-cumulative", "alarm-gaps"):
        for case, given, expect in cases(family):
            assert alarm_answer(given) == expect, case


def test_days_with_a_clock_change_have_their_own_length() -> None:
    """23 and 25 hours; alarms count elapsed time."""
    for case, given, expect in cases("dst"):
        if "rules" in given:
            assert alarm_answer(given) == expect, case
            continue
        zone = ZoneInfo(given["zone"])
        start, end = local_time.day_bounds_s(date.fromisoformat(given["local_day"]), zone)
        series = readings(given["readings_local"])
        result = judge_sensor(series, Profile("day", 0.0, 100.0), given["max_hold_s"], start, end)
        answer = {
            "day_start_utc": stamp(start),
            "day_end_utc": stamp(end),
            "day_seconds": end - start,
            "readings": len(series),
            "min_c": str(result.min_c),
            "max_c": str(result.max_c),
            "covered_s": result.covered_s,
            "gaps": list(result.gaps),
        }
        assert answer == expect, case


def test_mkt_of_equal_weights_is_exact_to_a_thousandth() -> None:
    """Product activation energies too; without a usable reading there is none."""
    for case, given, expect in cases("mkt-equal"):
        ratio = float(given["dH_kJ_mol"]) / float(given["R_kJ_mol_K"])
        usable = [float(v) for v in given["celsius"] if is_usable(None if v is None else float(v))]
        assert len(usable) == expect["used"], case
        mkt = mkt_equal_c(usable, ratio)
        if expect["mkt_c"] is None:
            assert mkt is None, case
            continue
        assert mkt is not None
        assert abs(mkt - expect["mkt_c"]) <= expect["tol_c"], case
        if "mean_c" in expect:
            total = MktSum()
            for value in usable:
                total.add(value, 1.0)
            assert abs((total.mean_c() or 0.0) - expect["mean_c"]) <= expect["tol_c"], case


def test_mkt_over_time_weights_covered_seconds() -> None:
    """Bursts, gaps, NaN, unsorted rows and conflicting duplicates."""
    for case, given, expect in cases("mkt-time"):
        result = judged(given)
        assert result.mkt_c is not None
        assert abs(result.mkt_c - expect["mkt_c"]) <= expect["tol_c"], case
        assert (result.covered_s, result.not_proven_s) == (expect["covered_s"], expect["gap_s"]), case


def test_storage_classes_judge_every_window() -> None:
    """Controlled cold and room temperature: worst window, longest excursion, reasons."""
    for case, given, expect in cases("usp-window"):
        kind = usp.CLASSES[given["class"]]
        span = (at(given["start"]), at(given["end"]))
        result = usp.judge_windows(readings(given["readings"]), kind, given["max_hold_s"], *span)
        assert result.worst_mkt_c is not None
        assert abs(result.worst_mkt_c - expect["worst_window_mkt_c"]) <= expect["tol_c"], case
        assert result.longest_excursion_s == expect["longest_excursion_s"], case
        assert (result.acceptable, list(result.reasons)) == (expect["acceptable"], expect["reasons"]), case


def test_decision_rules_answer_every_guard_band_case() -> None:
    """Simple, guarded and non-binary, in decimals."""
    for case, given, expect in cases("guard-band"):
        corrected = Decimal(given["reading_c"]) + Decimal(given["correction_c"])
        limits = (Decimal(given["U_k2_c"]), Decimal(given["low_c"]), Decimal(given["high_c"]))
        assert corrected == Decimal(expect["corrected_c"]), case
        assert guard_band.decide(corrected, *limits, given["decision_rule"]) == expect["verdict"], case


def test_calibration_cases() -> None:
    """The due day is included; a failed next calibration casts doubt back to the last good one."""
    for case, given, expect in cases("calibration"):
        status = calibration.calibration_status(
            date.fromisoformat(given["calibrated_on"]),
            date.fromisoformat(given["due_on"]),
            datetime.fromisoformat(given["reading_at"]),
            given["next_calibration_result"],
        )
        assert status == expect["status"], case


def test_tel_07_continuity_cases_name_every_missing_number() -> None:
    """Holes, duplicates, forks, reboots, clocks that step back, boots never seen."""
    for case, given, expect in cases("continuity"):
        result = continuity.judge_continuity(
            continuity.Record(
                r["boot"],
                r["seq"],
                at(r["t"]),
                json.dumps({k: v for k, v in r.items() if k not in ("boot", "seq", "t")}, sort_keys=True),
            )
            for r in given["records"]
        )
        answer = {
            "missing": [{"boot": m.boot, "first": m.first, "last": m.last} for m in result.missing],
            "duplicates": result.duplicates,
            "verdict": result.verdict,
            "conflicts": [{"boot": boot, "seq": seq} for boot, seq in result.conflicts],
            "boots": list(result.boots),
            "missing_boots": list(result.missing_boots),
            "time_regressions": list(result.time_regressions),
        }
        assert {name: answer[name] for name in expect} == expect, case


def test_alarm_forwarding_cases() -> None:
    """Queued is not delivered; exactly at the limit is in time."""
    for case, given, expect in cases("alarm-forwarding"):
        result = forwarding.judge_forwarding(
            at(given["raised_at"]),
            given["notify_limit_s"],
            given["ack_limit_s"],
            [forwarding.Attempt(at(a["at"]), a["result"]) for a in given["attempts"]],
            None if given["ack_at"] is None else at(given["ack_at"]),
        )
        assert {
            "notified_in_s": result.notified_in_s,
            "acked_in_s": result.acked_in_s,
            "verdict": result.verdict,
        } == expect, case


def test_the_families_are_all_there() -> None:
    """A folder that lost cases would make the tests above pass for nothing."""
    if data_folder("compliance-cases") is None:
        return
    counts = {"alarm-single": 11, "alarm-gaps": 8, "guard-band": 30, "mkt-equal": 13, "usp-window": 10, "dst": 6}
    assert {family: len(cases(family)) for family in counts} == counts
