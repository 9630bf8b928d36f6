"""Cases of measuring and judging, answered by telemetry's own rules."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from waystation.telemetry.rules import calibration, continuity, forwarding, guard_band, local_time, usp
from waystation.telemetry.rules.durations import RuleExcursion, RuleJudgement
from waystation.telemetry.rules.mkt import MktSum, mkt_equal_c
from waystation.telemetry.rules.profile import Profile, parse_rule
from waystation.telemetry.rules.series import Reading, is_usable
from waystation.telemetry.rules.verdict import SensorJudgement, judge_sensor

Given = Mapping[str, Any]


def at(text: str) -> float:
    """RFC 3339 as Unix seconds."""
    return datetime.fromisoformat(text).timestamp()


def stamp(at_s: float | None) -> str | None:
    """Unix seconds as RFC 3339 in UTC."""
    return None if at_s is None else datetime.fromtimestamp(at_s, UTC).isoformat().replace("+00:00", "Z")


def readings(rows: Sequence[Sequence[str | None]]) -> list[Reading]:
    """Pairs of instant and value; a value that is no number is no measurement."""
    return [Reading(at(str(when)), None if value is None else float(value)) for when, value in rows]


def judged(given: Given) -> SensorJudgement:
    """The case's period, judged against its rules; a product's limits play no part in it."""
    rules = tuple(parse_rule(rule) for rule in given.get("rules", ()))
    profile = Profile("case", -300.0, 300.0, rules=rules)
    return judge_sensor(readings(given["readings"]), profile, given["max_hold_s"], at(given["start"]), at(given["end"]))


def alarms(given: Given) -> dict[str, Any]:
    """Device-alarm rules over a period: gaps, covered seconds, and each rule's runs or sum."""
    result = judged(given)
    gaps = [{"start": stamp(g.start_s), "end": stamp(g.end_s), "seconds": g.end_s - g.start_s} for g in result.gaps]
    return {"gaps": gaps, "covered_s": result.covered_s, "rules": [_rule(r) for r in result.rules]}


def _rule(rule: RuleJudgement) -> dict[str, Any]:
    if rule.rule.mode == "cumulative":
        return {
            "rule": rule.rule.id,
            "cumulative_s": rule.cumulative_s,
            "alarmed": rule.is_alarmed,
            "alarm_at": stamp(rule.alarm_at_s),
        }
    return {
        "rule": rule.rule.id,
        "excursions": [_run(run) for run in rule.runs],
        "alarmed": rule.is_alarmed,
        "alarmed_worst_case": rule.is_alarmed_worst_case,
    }


def _run(run: RuleExcursion) -> dict[str, Any]:
    return {
        "start": stamp(run.start_s),
        "end": stamp(run.end_s),
        "measured_s": run.measured_s,
        "unknown_inside_s": run.unknown_s,
        "extreme_c": str(run.extreme_c),
        "alarm_at": stamp(run.alarm_at_s),
        "worst_case_alarm_at": stamp(run.worst_case_alarm_at_s),
    }


def local_day(given: Given) -> dict[str, Any]:
    """A local day with a clock change, or device alarms across one."""
    if "rules" in given:
        return alarms(given)
    start, end = local_time.day_bounds_s(date.fromisoformat(given["local_day"]), ZoneInfo(given["zone"]))
    series = readings(given["readings_local"])
    result = judge_sensor(series, Profile("day", -300.0, 300.0), given["max_hold_s"], start, end)
    gaps = [{"start": stamp(g.start_s), "end": stamp(g.end_s), "seconds": g.end_s - g.start_s} for g in result.gaps]
    return {
        "day_start_utc": stamp(start),
        "day_end_utc": stamp(end),
        "day_seconds": end - start,
        "readings": len(series),
        "min_c": None if result.min_c is None else str(result.min_c),
        "max_c": None if result.max_c is None else str(result.max_c),
        "covered_s": result.covered_s,
        "gaps": gaps,
    }


def mkt_equal(given: Given) -> dict[str, Any]:
    """Mean kinetic temperature of equal weights, and the plain mean, of the usable values."""
    ratio = float(given["dH_kJ_mol"]) / float(given["R_kJ_mol_K"])
    usable = [float(v) for v in given["celsius"] if is_usable(None if v is None else float(v))]
    total = MktSum()
    for value in usable:
        total.add(value, 1.0)
    return {"mkt_c": mkt_equal_c(usable, ratio), "mean_c": total.mean_c(), "used": len(usable)}


def mkt_time(given: Given) -> dict[str, Any]:
    """Mean kinetic temperature weighted by covered seconds."""
    result = judged(given)
    return {"mkt_c": result.mkt_c, "covered_s": result.covered_s, "gap_s": result.not_proven_s}


def usp_window(given: Given) -> dict[str, Any]:
    """A storage class over every window of a period."""
    kind, span = usp.CLASSES[given["class"]], (at(given["start"]), at(given["end"]))
    result = usp.judge_windows(readings(given["readings"]), kind, given["max_hold_s"], *span)
    return {
        "worst_window_mkt_c": result.worst_mkt_c,
        "worst_window_start_any_of_equal": stamp(result.worst_start_s),
        "longest_excursion_s": result.longest_excursion_s,
        "acceptable": result.acceptable,
        "reasons": list(result.reasons),
    }


def decision(given: Given) -> dict[str, Any]:
    """A corrected reading under a decision rule, in decimals."""
    corrected = Decimal(given["reading_c"]) + Decimal(given["correction_c"])
    limits = (Decimal(given["U_k2_c"]), Decimal(given["low_c"]), Decimal(given["high_c"]))
    return {"corrected_c": str(corrected), "verdict": guard_band.decide(corrected, *limits, given["decision_rule"])}


def certificate(given: Given) -> dict[str, Any]:
    """What a calibration says of a reading's instant."""
    status = calibration.calibration_status(
        date.fromisoformat(given["calibrated_on"]),
        date.fromisoformat(given["due_on"]),
        datetime.fromisoformat(given["reading_at"]),
        given["next_calibration_result"],
    )
    return {"status": status}


def sequence(given: Given) -> dict[str, Any]:
    """What the numbers of a device's records say. Members that have nothing to say are left out."""
    result = continuity.judge_continuity(
        continuity.Record(r["boot"], r["seq"], at(r["t"]), _rest(r)) for r in given["records"]
    )
    answer: dict[str, Any] = {
        "missing": [{"boot": m.boot, "first": m.first, "last": m.last} for m in result.missing],
        "duplicates": result.duplicates,
        "verdict": result.verdict,
    }
    more = {
        "conflicts": [{"boot": boot, "seq": seq} for boot, seq in result.conflicts],
        "boots": list(result.boots) if len(result.boots) > 1 else [],
        "missing_boots": list(result.missing_boots),
        "time_regressions": list(result.time_regressions),
    }
    return answer | {name: found for name, found in more.items() if found}


def _rest(record: Given) -> str:
    return json.dumps({k: v for k, v in record.items() if k not in ("boot", "seq", "t")}, sort_keys=True)


def alarm_chain(given: Given) -> dict[str, Any]:
    """Whether an alarm reached a person, and was answered, in time."""
    result = forwarding.judge_forwarding(
        at(given["raised_at"]),
        given["notify_limit_s"],
        given["ack_limit_s"],
        [forwarding.Attempt(at(a["at"]), a["result"]) for a in given["attempts"]],
        None if given["ack_at"] is None else at(given["ack_at"]),
    )
    return {"notified_in_s": result.notified_in_s, "acked_in_s": result.acked_in_s, "verdict": result.verdict}


FAMILIES: Mapping[str, Callable[[Given], Any]] = {
    "alarm-single": alarms,
    "alarm-cumulative": alarms,
    "alarm-gaps": alarms,
    "dst": local_day,
    "mkt-equal": mkt_equal,
    "mkt-time": mkt_time,
    "usp-window": usp_window,
    "guard-band": decision,
    "calibration": certificate,
    "continuity": sequence,
    "alarm-forwarding": alarm_chain,
}
