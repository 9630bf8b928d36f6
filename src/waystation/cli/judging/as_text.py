"""The verdict for a person: one sentence first, then three durations that add up, then every fact behind them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime

from waystation.telemetry.judging import FilesJudgement, Source
from waystation.telemetry.rules.verdict import SensorJudgement

MOST_LISTED = 10
_NB = "\u00a0"
_CAUSES = {
    "no_reading": "no reading",
    "unusable_readings": "readings came, none usable",
    "before_first_reading": "before the first reading",
    "after_last_reading": "after the last reading",
    "no_reading_in_period": "no usable reading in the period",
}
_SHAPES = {"in_range_proven": "✓", "out_of_range": "▲", "not_proven": "▨"}


def verdict_text(judgement: FilesJudgement) -> str:
    """The whole answer as lines."""
    blocks = [
        [f"{_SHAPES[judgement.verdict]} {sentence(judgement)}"],
        _subject(judgement),
        _durations(judgement),
        _temperatures(judgement),
        _excursions(judgement),
        _alarms(judgement),
        _gaps(judgement),
        _listed("Not checked, so the claim is conditional", judgement.not_checked),
        _row_errors(judgement),
        _listed("Notes", judgement.notes, 20),
    ]
    return "\n\n".join("\n".join(block) for block in blocks if block)


def sentence(judgement: FilesJudgement) -> str:
    """The verdict in one sentence."""
    space, profile = judgement.space, judgement.profile
    if judgement.verdict == "out_of_range":
        peaks = [item for sensor in space.sensors for item in sensor.excursions]
        sides = {item.direction for item in peaks}
        words = []
        if "high" in sides:
            hottest = max(i.peak_c for i in peaks if i.direction == "high")
            words.append(f"above {_c(profile.high_c)}, highest {_c(hottest)}")
        if "low" in sides:
            coldest = min(i.peak_c for i in peaks if i.direction == "low")
            words.append(f"below {_c(profile.low_c)}, lowest {_c(coldest)}")
        return f"Out of range for {length(space.out_of_range_s)}: {'; '.join(words)}."
    if judgement.verdict == "in_range_proven":
        return f"In range, proven: {_c(profile.low_c)} to {_c(profile.high_c)} for {length(space.in_range_s)}."
    if not space.not_proven_s:
        return "Not proven in range: the notes name a sign of an excursion that no reading carries."
    return f"Not proven in range for {length(space.not_proven_s)}; no usable reading is out of range."


def length(seconds: float) -> str:
    """An exact length of time, so that printed parts add up: `2 d 3 h 20 min 5 s`."""
    whole = int(seconds)
    parts = [(whole // 86400, "d"), (whole // 3600 % 24, "h"), (whole // 60 % 60, "min")]
    words = [f"{count}{_NB}{unit}" for count, unit in parts if count]
    rest = seconds - whole + whole % 60
    if rest or not words:
        words.append(f"{rest:.6f}".rstrip("0").rstrip(".") + f"{_NB}s")
    return " ".join(words)


def _subject(judgement: FilesJudgement) -> list[str]:
    profile, space = judgement.profile, judgement.space
    band = f", guard band {_c(profile.guard_band_c)}" if profile.guard_band_c else ""
    when = _clock(judgement)
    basis = {
        "device_local": "device local time, zone unknown",
        "utc_assumed": "UTC, assumed: the times carry no offset",
        "zone": f"times of {judgement.zone}",
        "offset": "UTC" if judgement.zone is UTC else str(judgement.zone),
    }[judgement.time_basis]
    lines = [
        f"{profile.name}: {_c(profile.low_c)} to {_c(profile.high_c)}{band}",
        f"{when(space.from_s)} to {when(space.to_s)} ({basis})",
    ]
    for source, sensor in judgement.sensors:
        rows = f"{source.file.rows} rows, {len(source.file.row_errors)} refused"
        hold = f"a reading stands for at most {length(sensor.hold_s)}"
        alone = "" if len(judgement.sources) == 1 else f"; {sensor.verdict.replace('_', ' ')}"
        lines.append(f"{source.name}: {source.file.format}, {rows}; {hold}{alone}")
    return lines


def _durations(judgement: FilesJudgement) -> list[str]:
    space = judgement.space
    total = space.to_s - space.from_s
    rows = [
        ("✓ in range, proven", space.in_range_s),
        ("▲ out of range", space.out_of_range_s),
        ("▨ not proven", space.not_proven_s),
        ("  the period", total),
    ]
    texts = [length(seconds) for _, seconds in rows]
    width = max(len(text) for text in texts)
    share = [f"{seconds / total * 100:6.2f}{_NB}%" if total else "" for _, seconds in rows]
    return [
        f"{name:<20} {text:>{width}}  {part}".rstrip() for (name, _), text, part in zip(rows, texts, share, strict=True)
    ]


def _temperatures(judgement: FilesJudgement) -> list[str]:
    space = judgement.space
    lines = []
    if space.min_c is not None and space.max_c is not None:
        lines.append(f"Lowest {_c(space.min_c)}, highest {_c(space.max_c)}.")
    if space.mean_c is not None:
        mkt = f", mean kinetic temperature {space.mkt_c:.2f}{_NB}°C" if judgement.profile.mkt and space.mkt_c else ""
        lines.append(f"Mean {space.mean_c:.2f}{_NB}°C{mkt}; both weighted by time.")
    limit = judgement.profile.mkt_limit_c
    if limit is not None and space.mkt_c is not None:
        side = "above" if space.mkt_c > limit else "not above"
        lines.append(f"The mean kinetic temperature is {side} {_c(limit)}; it does not change the verdict.")
    return lines


def _excursions(judgement: FilesJudgement) -> list[str]:
    when = _clock(judgement)
    found = []
    for source, sensor in judgement.sensors:
        for item in sensor.excursions:
            side = "above" if item.direction == "high" else "below"
            unknown = f", {length(item.unknown_s)} inside not proven" if item.unknown_s else ""
            found.append(
                f"{when(item.start_s)} to {when(item.end_s)}  {side}, peak {_c(item.peak_c)},"
                f" {length(item.measured_s)}{unknown}{_of(judgement, source)}"
            )
    return _listed("Excursions", found)


def _alarms(judgement: FilesJudgement) -> list[str]:
    when = _clock(judgement)
    found = []
    for source, sensor in judgement.sensors:
        for at, worst, name in _reached(sensor):
            says = f"reached {when(at)}" if at is not None else f"not by measured time; in the worst case {when(worst)}"
            found.append(f"{name}: {says}{_of(judgement, source)}")
    return _listed("Device-alarm rules", found)


def _reached(sensor: SensorJudgement) -> Iterable[tuple[float | None, float, str]]:
    for judged in sensor.rules:
        if judged.rule.mode == "cumulative":
            if judged.worst_case_alarm_at_s is not None:
                yield judged.alarm_at_s, judged.worst_case_alarm_at_s, judged.rule.id
            continue
        for run in judged.runs:
            if run.worst_case_alarm_at_s is not None:
                yield run.alarm_at_s, run.worst_case_alarm_at_s, judged.rule.id


def _gaps(judgement: FilesJudgement) -> list[str]:
    when = _clock(judgement)
    found = [
        f"{when(gap.start_s)} to {when(gap.end_s)}  {length(gap.end_s - gap.start_s)}, {_CAUSES[gap.cause]}"
        f"{_of(judgement, source)}"
        for source, sensor in judgement.sensors
        for gap in sensor.gaps
    ]
    guard = sum(sensor.guard_s for sensor in judgement.space.sensors)
    if guard:
        found.append(f"{length(guard)} between guard band and limit")
    return _listed("Not proven", found)


def _row_errors(judgement: FilesJudgement) -> list[str]:
    found = [
        f"line {error.line}: {error.reason}{_of(judgement, source)}"
        for source in judgement.sources
        for error in source.file.row_errors
    ]
    return _listed("Refused rows", found, 5)


def _listed(title: str, items: Sequence[str], most: int = MOST_LISTED) -> list[str]:
    if not items:
        return []
    rest = [f"  and {len(items) - most} more; --json lists them all"] if len(items) > most else []
    return [f"{title} ({len(items)})", *(f"  {item}" for item in items[:most]), *rest]


def _of(judgement: FilesJudgement, source: Source) -> str:
    return "" if len(judgement.sources) == 1 else f"  [{source.name}]"


def _clock(judgement: FilesJudgement) -> Callable[[float], str]:
    def text(at_s: float) -> str:
        moment = datetime.fromtimestamp(at_s, judgement.zone)
        shape = "%Y-%m-%d %H:%M:%S" if at_s % 60 else "%Y-%m-%d %H:%M"
        offset = "" if judgement.zone is UTC else moment.strftime(" %z")
        return moment.strftime(shape) + offset

    return text


def _c(value: float) -> str:
    text = f"{value:.4f}".rstrip("0")
    return f"{text}0{_NB}°C" if text.endswith(".") else f"{text}{_NB}°C"
