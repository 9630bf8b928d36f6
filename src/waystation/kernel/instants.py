"""Instants as people write them, and wall-clock times that occur twice or not at all."""

from __future__ import annotations

from datetime import UTC, datetime, tzinfo

from waystation.kernel.refusals import BadInput


def read_instant(text: str, field: str, *, zone: tzinfo | None = None) -> datetime:
    """The instant in UTC that ISO 8601 text names; without an offset it is wall-clock time in `zone`.

    BadInput `input.instant` for what is no time, has no offset where no zone is known, or names an hour that the
    zone's clocks skip or show twice: nobody guesses which one was meant.
    """
    try:
        at = datetime.fromisoformat(text.strip().upper())
    except ValueError:
        raise _refused(text, field, "is no time") from None
    if at.tzinfo is not None:
        return at.astimezone(UTC)
    if zone is None:
        raise no_offset(text, field)
    found = instants_of(at, zone)
    if len(found) != 1:
        what = "occurs twice" if found else "does not exist"
        raise _refused(text, field, f"{what} in {zone}, because clocks change in that hour")
    return datetime.fromtimestamp(found[0], UTC)


def no_offset(text: str, field: str) -> BadInput:
    """The refusal of a time of which nobody can say which instant it is."""
    return _refused(text, field, "names no offset")


def _refused(text: str, field: str, why: str) -> BadInput:
    step = "Write it with its offset: 2026-11-18T02:12:00Z, or 2026-11-18T03:12+01:00."
    return BadInput("input.instant", f"{text!r} {why}.", step, field=field, value=text)


def instants_of(wall: datetime, zone: tzinfo) -> tuple[float, ...]:
    """The instants (Unix seconds, ascending) at which clocks in `zone` show `wall`: one, two, or none."""
    first = wall.replace(tzinfo=zone, fold=0)
    second = wall.replace(tzinfo=zone, fold=1)
    if first.utcoffset() == second.utcoffset():
        return (first.timestamp(),)
    found = sorted({moment.timestamp() for moment in (first, second) if _shows(moment, wall, zone)})
    return tuple(found)


def _shows(moment: datetime, wall: datetime, zone: tzinfo) -> bool:
    return moment.astimezone(UTC).astimezone(zone).replace(tzinfo=None, fold=0) == wall.replace(tzinfo=None, fold=0)
