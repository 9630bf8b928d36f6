"""What a page says: one line that is enough on a lock screen, then asset, trend, limit, part, move, next step, link."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from django.conf import settings

from waystation.alarms.models import Alarm
from waystation.alarms.rules.text import PageText
from waystation.incidents.models import Incident
from waystation.kernel.units import duration_text
from waystation.product.rules.moving import Move
from waystation.product.rules.time_to_limit import TimeToLimit
from waystation.registry.models import Site
from waystation.spares.actions.sourcing import Sourced

STEADY_C_PER_H = 0.05  # less is said as 0.0
WORDS: Mapping[str, str] = {
    "compressor_fault": "compressor controller failed",
    "rising": "temperature rises towards its limit",
    "excursion": "out of range",
    "site_unreachable": "no data from the site",
    "worst_case_limit": "dark, and it was in danger",
    "device_unreachable": "device does not answer",
    "sensor_frozen": "probe is frozen",
    "sensor_silent": "probe is silent",
    "measurement_in_doubt": "measurement in doubt",
    "hand_reading_missed": "hand reading is overdue",
    "power_lost": "mains power lost",
    "door_open": "door stands open",
    "humidity": "humidity is high",
    "late_excursion": "excursion found in late data",
    "approval_waits": "an approval waits while product is at risk",
    "route_test_failed": "alarm route failed its test",
    "on_call_gap": "nobody is on call soon",
}


@dataclass(frozen=True, slots=True)
class Plan:
    """What was decided: the part that comes, the places that product can go to, and which is first."""

    sourced: Sourced | None
    moves: tuple[Move, ...]
    move_first: bool
    limit: TimeToLimit | None
    lots: int

    @property
    def move(self) -> Move | None:
        """The backup space that was chosen."""
        return next((m for m in self.moves if m.outcome == "chosen"), None)


def what(rule: str) -> str:
    """A rule in the words of a title."""
    return WORDS.get(rule, rule.replace("_", " "))


def text(alarm: Alarm, incident: Incident, site: Site, plan: Plan, now: datetime) -> PageText:
    """The page for an alarm under its incident's plan."""
    zone = ZoneInfo(site.zone)
    asset = str(alarm.facts.get("asset") or "site")
    where = f"{asset}, {site.name}" if asset != "site" else site.name
    fact = f"{where}: {what(alarm.rule)} since {_local(alarm.started_at, zone)}."
    first = _move_line(plan, zone) if plan.move_first else fact
    lines = [first, *([fact] if plan.move_first else []), *_measured(alarm, zone, now), *_limit(plan, zone, now)]
    lines += [*_part(plan, zone), *([] if plan.move_first else _move(plan, zone))]
    lines.append(f"Next step: {next_step(alarm, plan, zone)}")
    lines.append(f"{incident.name}: {settings.PUBLIC_URL}/incidents/{incident.name}/")
    return PageText(f"{where}: {what(alarm.rule)}"[:200], "\n".join(lines), first)


def next_step(alarm: Alarm, plan: Plan, zone: ZoneInfo) -> str:
    """The one thing to do now, in words."""
    if plan.move_first and plan.move is not None:
        by = f", start by {_local(plan.move.start_by, zone)}" if plan.move.start_by else ""
        return f"Move {plan.lots} lots to {plan.move.space}{by}."
    if plan.sourced is not None and plan.sourced.dispatch is not None:
        return f"Collect {plan.sourced.dispatch.unit.serial} at {plan.sourced.dispatch.from_hub.name} and swap it."
    response = alarm.row.get("response") if isinstance(alarm.row, dict) else ""
    return str(response or "Look at the site and decide.")


def _move_line(plan: Plan, zone: ZoneInfo) -> str:
    if plan.move is None:
        return "Move the product first. No named backup space can take it: find one now."
    start = f"; start by {_local(plan.move.start_by, zone)}" if plan.move.start_by else ""
    return f"Move the product first: {plan.move.space} takes all {plan.lots} lots{start}."


def _measured(alarm: Alarm, zone: ZoneInfo, now: datetime) -> list[str]:
    value, limit, trend = (_number(alarm.facts, n) for n in ("value_c", "limit_c", "trend_c_per_h"))
    if value is None:
        return []
    last = alarm.facts.get("last_reading_at")
    at = _local(datetime.fromisoformat(str(last)), zone) if last else "an unknown time"
    said = f"{value:.1f} °C at {at}, limit {limit:.1f} °C" if limit is not None else f"{value:.1f} °C at {at}"
    way = "trend unknown" if trend is None else _way(trend)
    return [f"{said}, {way}. {int(alarm.facts.get('lots') or 0)} lots inside."]


def _limit(plan: Plan, zone: ZoneInfo, now: datetime) -> list[str]:
    limit = plan.limit
    if limit is None or (limit.worst.state == "not_reached" and not plan.lots):
        return []
    if limit.worst.at is None:
        return [f"Time to the limit: unknown. {limit.worst.reason}"]
    likely = f", likely {_local(limit.likely.at, zone)}" if limit.likely.at else ""
    left = max(0.0, (limit.worst.at - now).total_seconds())
    if left == 0:
        return ["The limit is passed."]
    return [f"Limit {_both(limit.worst.at, zone)} in the worst case, in {duration_text(left)}{likely}."]


def _part(plan: Plan, zone: ZoneInfo) -> list[str]:
    if plan.sourced is None:
        return []
    chosen = next((c for c in plan.sourced.candidates if c.outcome == "chosen"), None)
    if chosen is None:
        return [f"No part: {plan.sourced.reason}"]
    ready = _local(chosen.p90_at, zone) if chosen.p90_at else "unknown"
    return [
        f"Part: {chosen.source}, {chosen.serial or 'ordered'}, restored by {ready} in 9 of 10 cases. {chosen.reason}"
    ]


def _move(plan: Plan, zone: ZoneInfo) -> list[str]:
    if not plan.lots or plan.move is None or plan.move.worst_at is None:
        return []
    return [f"Or move the product: {plan.move.space}, safe by {_local(plan.move.worst_at, zone)}."]


def facts(alarm: Alarm, limit: TimeToLimit | None, now: datetime) -> list[dict[str, Any]]:
    """What is known, each with its source word, for the incident's page."""
    found: list[dict[str, Any]] = []
    value, trend = _number(alarm.facts, "value_c"), _number(alarm.facts, "trend_c_per_h")
    if value is not None:
        way = "" if trend is None else f", {_way(trend)}"
        said = {"standing": "measured", "source": str(alarm.facts.get("asset", "")), "at": alarm.facts_at}
        found.append({"name": "judging probe", "value": f"{value:.1f} °C{way}"} | said)
    for figure in limit.figures if limit is not None else ():
        said = {"standing": figure.source, "source": figure.detail, "at": now}
        words = (
            duration_text(figure.value)
            if figure.unit == "s"
            else f"{figure.value:{_digits(figure.unit)}} {figure.unit}"
        )
        found.append({"name": figure.name, "value": words} | said)
    return found


def _way(trend_c_per_h: float) -> str:
    if abs(trend_c_per_h) < STEADY_C_PER_H:
        return "steady"
    return f"{'rising' if trend_c_per_h > 0 else 'falling'} {abs(trend_c_per_h):.1f} °C/h"


def _digits(unit: str) -> str:
    return ".1f" if unit.startswith("°C") else ".4g"


def _number(values: Mapping[str, Any], name: str) -> float | None:
    value = values.get(name)
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _local(at: datetime | None, zone: ZoneInfo) -> str:
    return "unknown" if at is None else f"{at.astimezone(zone):%H:%M %Z}"


def _both(at: datetime, zone: ZoneInfo) -> str:
    return f"{at.astimezone(zone):%H:%M %Z} ({at.astimezone(UTC):%H:%M} UTC)"
