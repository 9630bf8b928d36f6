"""What the agent of a site judges by: the approved profiles of its spaces, as its probes read."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from waystation.kernel.units import TemperatureUnit, from_celsius
from waystation.registry.models import Sensor
from waystation.telemetry import proving
from waystation.telemetry.rules.cells import unit_of
from waystation.telemetry.setup import hold_of, judging_profile, profile_row


def limits_at(site_id: UUID, now: datetime) -> list[dict[str, Any]]:
    """A row for each sensor that judges an approved profile, by code: limits and single-event rules as the probe reads,
    in the unit of its record and without the correction of its certificate; the page delay of the class; the hold.
    """
    sensors = list(
        Sensor.objects.filter(site_id=site_id, removed_at=None, quantity="temperature")
        .select_related("space__profile", "site__service_class")
        .order_by("code")
    )
    added = proving.corrections(sensors)
    return [row for s in sensors if (row := _row(s, added[s.code].at(now.timestamp()))) is not None]


def _row(sensor: Sensor, offset_c: float) -> dict[str, Any] | None:
    held, profile = profile_row(sensor), judging_profile(sensor)
    if held is None or profile is None or held.approved_at is None:
        return None
    try:
        unit = unit_of(sensor.unit)
    except ValueError:
        return None
    single = [rule for rule in held.rules if rule.get("mode") == "single_event"]
    return {
        "code": sensor.code,
        "name": sensor.name,
        "low": _as_read(profile.low_c, offset_c, unit),
        "high": _as_read(profile.high_c, offset_c, unit),
        "delay_s": float(sensor.site.service_class.page_delay_s),
        "hold_s": hold_of(sensor),
        "rules": [rule | {"limit_c": _as_read(float(rule["limit_c"]), offset_c, unit)} for rule in single],
        "edition": f"{held.code}, edition {held.edition}",
    }


def _as_read(limit_c: float, offset_c: float, unit: TemperatureUnit) -> float:
    """What a probe shows at a limit. Cut to a millionth, so that a limit is the number that people know."""
    return round(from_celsius(limit_c - offset_c, unit), 6)
