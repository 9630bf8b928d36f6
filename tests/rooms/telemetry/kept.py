"""Five days of a fridge, sealed day by day: a probe, a door, and an excursion on the third day."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from tests.rooms.telemetry.samples import a_monitored_space, deliver, judge, minutes
from tests.samples import a_sensor
from waystation.access.queries import system_authority
from waystation.evidence.row_audit import check_rows
from waystation.kernel.authority import Authority
from waystation.registry.models import Space
from waystation.telemetry import reader, stores
from waystation.telemetry.actions import retain
from waystation.telemetry.actions.seal import seal
from waystation.telemetry.actions.thin import Retention
from waystation.telemetry.engine import Engine
from waystation.telemetry.models import RetentionPolicy
from waystation.telemetry.rules.thinning import Span
from waystation.telemetry.store.segments import Stored

DAY = timedelta(days=1)
STEP_S = 300
DAYS = 5
HOT_DAY = 2
EVERYTHING = (-(2**62), 2**62)
Held = Callable[[UUID], Sequence[Span]]


def five_days(start: datetime, *, hot: bool = True) -> Space:
    """The fridge at 5 degC, its door opening now and then; on the third day at noon an hour at 9 degC."""
    space, (probe,) = a_monitored_space(start + DAYS * DAY)
    probe.interval_s = STEP_S
    probe.save()
    certificate = probe.calibrations.get()
    certificate.valid_from = certificate.bound_at = start - DAY
    certificate.save()
    door = a_sensor(space, "door", quantity="door", unit="state", role="", interval_s=STEP_S)
    for number in range(DAYS):
        begin, end = start + number * DAY, start + (number + 1) * DAY
        warm = hot and number == HOT_DAY
        steps = range(86_400 // STEP_S)
        values = [9.0 if warm and 144 <= n < 156 else 5.0 + 0.1 * (n % 5) for n in steps]
        doors = [1.0 if n % 40 == 0 else 0.0 for n in steps]
        deliver(space, minutes(probe, begin, values, step_s=STEP_S), end)
        deliver(space, minutes(door, begin, doors, step_s=STEP_S), end)
        judge(Engine(), end)
        seal(system_authority("test"), now=end)
    return space


def approved(proposer: Authority, quality: Authority, now: datetime, **terms: object) -> RetentionPolicy:
    """A policy that counts."""
    values: dict[str, object] = {"name": "two years", "covers": "judging", "source": "regulation", "clause": "GDP 4.2"}
    row = retain.propose(proposer, **(values | terms), now=now)  # type: ignore[arg-type]
    return retain.approve(quality, row.pk, fresh_proof=True, now=now)


def nothing_held(site_id: UUID) -> Sequence[Span]:
    """No hold stands."""
    return ()


def run(now: datetime, held_of: Held = nothing_held) -> int:
    """One pass to its end, by a worker that knows nothing yet."""
    return Retention().run(system_authority("test"), held_of, now=now, is_over=lambda: False)


def stored(space: Space, *names: str) -> list[Stored]:
    """Everything that is still stored of some sensors of the fridge at full rate."""
    codes = [f"{space.site.code}.{space.code}.{name}" for name in names]
    return reader.readings(space.site_id, codes, *EVERYTHING)


def flaws() -> list[str]:
    """What the log says otherwise of segments and what was taken from them."""
    tables = ("telemetry.Segment", "telemetry.Removal", "telemetry.Retention")
    return [str(flaw) for flaw in check_rows().flaws if any(t in f"{flaw.where}" for t in tables)]


def files() -> set[str]:
    """The names of all files of sealed readings."""
    folder = stores.folder() / "segments"
    return {p.relative_to(folder).as_posix() for p in folder.rglob("*.parquet")}
