"""What `judge` is given: profile, files, period, zone. Everything that cannot be used is refused by name."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from waystation.cli.judging.progress import OnFile
from waystation.kernel.instants import instants_of
from waystation.kernel.refusals import BadInput, NotFound, Refusal
from waystation.telemetry.judging import Source
from waystation.telemetry.logger_files import read_source
from waystation.telemetry.ports import LoggerFormat, ReadOptions
from waystation.telemetry.rules.cells import LATEST_S
from waystation.telemetry.rules.profile import Profile, parse_profile
from waystation.telemetry.rules.unpacking import MOST_BYTES

MOST_PROFILE_BYTES = 1024 * 1024


def load_profile(path: Path) -> Profile:
    """The profile in a JSON file."""
    data = _bytes_of(path, MOST_PROFILE_BYTES)
    try:
        document = json.loads(data.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise BadInput(
            "telemetry.profile_json",
            f"The profile {path} is not JSON: {error}.",
            'Write {"name": "vaccine", "low_c": 2.0, "high_c": 8.0}.',
            field="profile",
            value=str(path),
        ) from None
    return parse_profile(document)


def load_sources(
    paths: Sequence[Path], options: ReadOptions, formats: Sequence[LoggerFormat], on_progress: OnFile | None = None
) -> list[Source]:
    """Read every file; a refusal says which file it is about."""
    names = [path.name for path in paths]
    found = []
    for index, path in enumerate(paths):
        name = path.name if names.count(path.name) == 1 else str(path)
        data = _bytes_of(path, MOST_BYTES)
        report = None if on_progress is None else (lambda part, i=index: on_progress(i, part))
        try:
            source = read_source(data, path.name, options, formats, report)
        except BadInput as refusal:
            raise BadInput(
                refusal.code,
                f"{name}: {refusal.message}",
                refusal.next_step,
                field=refusal.field,
                value=refusal.value,
            ) from None
        found.append(replace(source, name=name))
    return found


def _bytes_of(path: Path, most: int) -> bytes:
    try:
        size = path.stat().st_size
        if size > most:
            raise BadInput(
                "telemetry.file_too_large", f"{path} has {size:,} bytes; at most {most:,} are read.", "Split it."
            )
        return path.read_bytes()
    except FileNotFoundError:
        raise NotFound("telemetry.no_file", f"There is no file {path}.", "Check the name.") from None
    except OSError as error:
        raise BadInput("telemetry.file", f"{path} cannot be read: {error.strerror}.", "Name a readable file.") from None


def zone_of(text: str) -> tzinfo:
    """A zone by its IANA name, `UTC`, or an offset such as +02:00."""
    if text[:1] in ("+", "-"):
        try:
            moment = datetime.fromisoformat(f"2000-01-01T00:00:00{text}")
        except ValueError:
            raise _no_zone(text) from None
        return timezone(moment.utcoffset() or timedelta(0))
    if text.upper() in ("UTC", "Z"):
        return UTC
    try:
        return ZoneInfo(text)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise _no_zone(text) from None


def _no_zone(text: str) -> Refusal:
    return BadInput(
        "telemetry.zone",
        f"There is no time zone {text!r}.",
        "Use a name such as Europe/Madrid, or an offset such as +02:00.",
        field="tz",
        value=text,
    )


def period_instant(text: str | None, field: str, zone: tzinfo | None) -> float | None:
    """An end of the period as Unix seconds. Without an offset it is read like the data: in `--tz`, else as they are."""
    if text is None:
        return None
    step = f"Write --{field} as RFC 3339, for example 2026-11-18T02:12:00Z."
    try:
        moment = datetime.fromisoformat(text.strip().upper())
    except ValueError:
        raise BadInput("telemetry.time", f"--{field} {text!r} is not a time.", step, field=field, value=text) from None
    instants = (moment.timestamp(),) if moment.tzinfo is not None else instants_of(moment, zone or UTC)
    if instants and not 0.0 <= instants[0] <= LATEST_S:
        raise BadInput(
            "telemetry.time", f"--{field} {text!r} is outside the years 1970 to 9999.", step, field=field, value=text
        )
    if not instants:
        raise BadInput("telemetry.time", f"--{field} {text!r} does not exist in {zone}.", step, field=field, value=text)
    return instants[0]
