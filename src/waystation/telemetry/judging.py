"""From logger files to one verdict: which period, which hold, what was not checked. No I/O; doors bring the files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo

from waystation.kernel.refusals import BadInput
from waystation.telemetry.ports import LoggerFile, TimeBasis
from waystation.telemetry.rules.daily import Day, daily
from waystation.telemetry.rules.profile import Profile
from waystation.telemetry.rules.series import Moment, default_hold_s, moments
from waystation.telemetry.rules.space import SpaceJudgement, judge_space, worst_verdict
from waystation.telemetry.rules.verdict import SensorJudgement, Verdict, judge_sensor

LONGEST_PERIOD_S = 100 * 366 * 86400.0


@dataclass(frozen=True, slots=True)
class Source:
    """A logger file as it came: its name, the SHA-256 of its bytes, and what was read from it."""

    name: str
    sha256: str
    file: LoggerFile


@dataclass(frozen=True, slots=True)
class FilesJudgement:
    """The verdict on one space from files. `conditional` is true whenever something was not checked."""

    profile: Profile
    verdict: Verdict
    space: SpaceJudgement
    days: tuple[Day, ...]
    sources: tuple[Source, ...]
    not_checked: tuple[str, ...]
    notes: tuple[str, ...]
    time_basis: TimeBasis
    zone: tzinfo

    @property
    def is_conditional(self) -> bool:
        """True when anything that a proof rests on was not checked."""
        return bool(self.not_checked)

    @property
    def sensors(self) -> tuple[tuple[Source, SensorJudgement], ...]:
        """Each file with its own judgement."""
        return tuple(zip(self.sources, self.space.sensors, strict=True))


def judge_files(
    sources: Sequence[Source],
    profile: Profile,
    from_s: float | None = None,
    to_s: float | None = None,
    zone: tzinfo | None = None,
) -> FilesJudgement:
    """Judge files as sensors of one space over [from_s, to_s] (default: first to last reading).

    BadInput when a file has no usable reading and no period is given, or when the files' clocks do not compare.
    """
    basis = common_basis(sources)
    series = [moments(source.file.readings) for source in sources]
    if from_s is None or to_s is None:
        for source, found in zip(sources, series, strict=True):
            if not found:
                raise _nothing_usable(source)
    start = from_s if from_s is not None else min(found[0].at_s for found in series)
    end = to_s if to_s is not None else max(found[-1].at_s for found in series)
    if end < start or (from_s is not None and end == start):
        raise BadInput(
            "telemetry.period",
            f"The period would run from {_stamp(start)} to {_stamp(end)}.",
            "Give --from earlier than --to, inside the time of the readings.",
            field="from",
            value=_stamp(start),
        )
    if end - start > LONGEST_PERIOD_S:
        raise BadInput(
            "telemetry.period_too_long",
            f"The period from {_stamp(start)} to {_stamp(end)} is longer than 100 years; a clock was wrong.",
            "Give --from and --to.",
            field="to",
            value=_stamp(end),
        )
    judged = [_judge(source, found, profile, start, end) for source, found in zip(sources, series, strict=True)]
    space = judge_space(judged)
    doubts = doubts_of(sources, series, profile, start, end)
    verdict = worst_verdict([space.verdict, "not_proven"]) if doubts else space.verdict
    days = daily(space, series, zone or UTC)
    return FilesJudgement(
        profile=profile,
        verdict=verdict,
        space=space,
        days=tuple(days),
        sources=tuple(sources),
        not_checked=tuple(_not_checked(sources, profile)),
        notes=(*doubts, *_notes(sources)),
        time_basis=basis,
        zone=zone or UTC,
    )


def common_basis(sources: Sequence[Source]) -> TimeBasis:
    """What the files' times rest on; BadInput when one is device local time and another is not."""
    found = {source.file.time_basis for source in sources}
    if "device_local" in found and len(found) > 1:
        local = next(s.name for s in sources if s.file.time_basis == "device_local")
        raise BadInput(
            "telemetry.clocks",
            f"{local} is in device local time without a zone; the other files are not.",
            "Say the device's zone, for example --tz Europe/Madrid.",
            field="tz",
        )
    order: tuple[TimeBasis, ...] = ("device_local", "utc_assumed", "zone", "offset")
    return next(basis for basis in order if basis in found)


def _judge(source: Source, found: list[Moment], profile: Profile, start: float, end: float) -> SensorJudgement:
    hold = profile.max_hold_s or default_hold_s([moment.at_s for moment in found])
    return judge_sensor(source.file.readings, profile, hold, start, end)


def _nothing_usable(source: Source) -> BadInput:
    file = source.file
    if not file.rows and file.device_days:
        hottest = max((d.max_c for d in file.device_days if d.max_c is not None), default=None)
        coldest = min((d.min_c for d in file.device_days if d.min_c is not None), default=None)
        return BadInput(
            "telemetry.daily_records_only",
            f"{source.name} holds {len(file.device_days)} daily records of the device (lowest {_c(coldest)}, highest"
            f" {_c(hottest)}) and no readings: minutes in range cannot be shown from them.",
            "Export the device with its readings, or give --from and --to to have the period shown as one gap.",
        )
    first = f" The first: line {file.row_errors[0].line}, {file.row_errors[0].reason}." if file.row_errors else ""
    return BadInput(
        "telemetry.no_usable_reading",
        f"{source.name} has {file.rows} rows and no usable reading; {len(file.row_errors)} rows were refused.{first}",
        "Check --column, --unit and --where, or give --from and --to to have the period shown as one gap.",
    )


def doubts_of(
    sources: Sequence[Source], series: Sequence[list[Moment]], profile: Profile, start: float, end: float
) -> list[str]:
    """Signs of an excursion that no reading carries. They keep a period from being proven."""
    found = []
    for source, seen in zip(sources, series, strict=True):
        outside = [e for e in source.file.row_errors if e.value_c is not None and profile.is_outside(e.value_c)]
        for error in outside:
            found.append(
                f"{source.name} line {error.line} was refused ({error.reason}) and holds {_c(error.value_c)},"
                " outside the profile."
            )
        days = {datetime.fromtimestamp(m.at_s, UTC).date() for m in seen if _is_out(profile, m)}
        if source.file.time_basis != "device_local":
            continue
        first, last = (datetime.fromtimestamp(s, UTC).date() for s in (start, end))
        for day in source.file.device_days:
            values = [v for v in (day.min_c, day.max_c) if v is not None and profile.is_outside(v)]
            if values and first <= day.day <= last and day.day not in days:
                found.append(
                    f"{source.name}: the device's own record of {day.day} says {_c(values[-1])}, outside the profile;"
                    " no reading of that day shows it."
                )
    return found


def _is_out(profile: Profile, moment: Moment) -> bool:
    return profile.is_outside(moment.coldest_c) or profile.is_outside(moment.hottest_c)


def _not_checked(sources: Sequence[Source], profile: Profile) -> list[str]:
    found = [
        "calibration: no certificate of the sensor was given",
        "source: a plain file can be changed after the device wrote it",
    ]
    for source in sources:
        found += [f"{what} ({source.name})" for what in source.file.not_checked]
        if source.file.row_errors:
            found.append(f"refused rows: {len(source.file.row_errors)} of {source.file.rows} ({source.name})")
    if profile.not_understood:
        found.append(f"profile: not understood and not applied: {', '.join(profile.not_understood)}")
    return found


def _notes(sources: Sequence[Source]) -> list[str]:
    found = [f"{s.name}: {text}" for s in sources for text in (*s.file.corrections, *s.file.notes)]
    names: dict[str, str] = {}
    for source in sources:
        if source.sha256 in names:
            found.append(f"{source.name} has the same bytes as {names[source.sha256]}.")
        names.setdefault(source.sha256, source.name)
    return found


def _c(value: float | None) -> str:
    return "unknown" if value is None else f"{value:g}\u00a0°C"


def _stamp(at_s: float) -> str:
    return datetime.fromtimestamp(at_s, UTC).isoformat().replace("+00:00", "Z")
