"""The verdict as `waystation.verdict/1`: UTC, units in names."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from waystation.telemetry.judging import FilesJudgement, Source
from waystation.telemetry.rules.daily import Day
from waystation.telemetry.rules.profile import Profile
from waystation.telemetry.rules.verdict import SensorJudgement

SCHEMA = "waystation.verdict/1"


def verdict_document(judgement: FilesJudgement) -> dict[str, Any]:
    """The whole document. Times of devices without a zone are written as if UTC; `time_basis` says so."""
    space = judgement.space
    document: dict[str, Any] = {
        "schema": SCHEMA,
        "profile": _profile(judgement.profile),
        "source_files": [_source(source) for source in judgement.sources],
        "time_basis": judgement.time_basis,
        "from": instant_text(space.from_s),
        "to": instant_text(space.to_s),
        "verdict": judgement.verdict,
        "conditional": judgement.is_conditional,
        "not_checked": list(judgement.not_checked),
        "in_range_min": minutes(space.in_range_s),
        "out_of_range_min": minutes(space.out_of_range_s),
        "not_proven_min": minutes(space.not_proven_s),
        "min_c": space.min_c,
        "max_c": space.max_c,
        "mean_c": _rounded(space.mean_c),
        "mkt_c": _rounded(space.mkt_c) if judgement.profile.mkt else None,
        "max_hold_s": max(sensor.hold_s for sensor in space.sensors),
        "gaps": [gap for source, sensor in judgement.sensors for gap in _gaps(source, sensor)],
        "excursions": [item for source, sensor in judgement.sensors for item in _excursions(source, sensor)],
        "alarms": [alarm for source, sensor in judgement.sensors for alarm in _alarms(source, sensor)],
        "daily": [_day(day) for day in judgement.days],
        "row_errors": [
            {"file": source.name, "line": error.line, "reason": error.reason}
            for source in judgement.sources
            for error in source.file.row_errors
        ],
        "notes": list(judgement.notes),
        "sensors": [_sensor(source, sensor) for source, sensor in judgement.sensors],
    }
    return document


def instant_text(at_s: float) -> str:
    """RFC 3339 UTC, with a fraction only when there is one."""
    text = datetime.fromtimestamp(round(at_s, 6), UTC).isoformat()
    return text.removesuffix("+00:00") + "Z"


def minutes(seconds: float) -> float:
    """Minutes to the microminute."""
    return round(seconds / 60.0, 6)


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 6)


def _profile(profile: Profile) -> dict[str, Any]:
    return {
        "name": profile.name,
        "low_c": profile.low_c,
        "high_c": profile.high_c,
        "guard_band_c": profile.guard_band_c,
        "max_hold_s": profile.max_hold_s,
        "mkt_limit_c": profile.mkt_limit_c,
        "rules": [
            {"id": r.id, "op": r.op, "limit_c": r.limit_c, "duration_s": r.duration_s, "mode": r.mode}
            for r in profile.rules
        ],
    }


def _source(source: Source) -> dict[str, Any]:
    file = source.file
    return {
        "name": source.name,
        "sha256": source.sha256,
        "format": file.format,
        "device": file.device,
        "rows": file.rows,
        "rows_refused": len(file.row_errors),
        "rows_left_out": file.rows_left_out,
        "time_basis": file.time_basis,
        "corrections": list(file.corrections),
        "notes": list(file.notes),
    }


def _gaps(source: Source, sensor: SensorJudgement) -> list[dict[str, Any]]:
    return [
        {
            "start": instant_text(gap.start_s),
            "end": instant_text(gap.end_s),
            "minutes": minutes(gap.end_s - gap.start_s),
            "cause": gap.cause,
            "file": source.name,
        }
        for gap in sensor.gaps
    ]


def _excursions(source: Source, sensor: SensorJudgement) -> list[dict[str, Any]]:
    return [
        {
            "start": instant_text(item.start_s),
            "end": instant_text(item.end_s),
            "direction": item.direction,
            "peak_c": item.peak_c,
            "minutes": minutes(item.measured_s),
            "unknown_min": minutes(item.unknown_s),
            "file": source.name,
        }
        for item in sensor.excursions
    ]


def _alarms(source: Source, sensor: SensorJudgement) -> list[dict[str, Any]]:
    found = []
    for judged in sensor.rules:
        reached: list[tuple[float | None, float | None, float | None]]
        if judged.rule.mode == "cumulative":
            reached = [(judged.start_s, judged.alarm_at_s, judged.worst_case_alarm_at_s)]
        else:
            reached = [(run.start_s, run.alarm_at_s, run.worst_case_alarm_at_s) for run in judged.runs]
        for start, at, worst in reached:
            if start is not None and worst is not None:
                found.append(
                    {
                        "rule": judged.rule.id,
                        "start": instant_text(start),
                        "alarm_at": None if at is None else instant_text(at),
                        "worst_case_alarm_at": instant_text(worst),
                        "mode": judged.rule.mode,
                        "file": source.name,
                    }
                )
    return found


def _day(day: Day) -> dict[str, Any]:
    return {
        "date": day.date.isoformat(),
        "min_c": day.min_c,
        "max_c": day.max_c,
        "mean_c": _rounded(day.mean_c),
        "below_min": minutes(day.below_s),
        "above_min": minutes(day.above_s),
        "readings": day.readings,
    }


def _sensor(source: Source, sensor: SensorJudgement) -> dict[str, Any]:
    return {
        "file": source.name,
        "verdict": sensor.verdict,
        "in_range_min": minutes(sensor.in_range_s),
        "out_of_range_min": minutes(sensor.out_of_range_s),
        "not_proven_min": minutes(sensor.not_proven_s),
        "min_c": sensor.min_c,
        "max_c": sensor.max_c,
        "mean_c": _rounded(sensor.mean_c),
        "mkt_c": _rounded(sensor.mkt_c),
        "max_hold_s": sensor.hold_s,
    }
