"""How values are said on a page: states with shape and word, instants in the site's zone, the reader's own units."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString

from waystation.console.reader import in_own_unit, of_day
from waystation.kernel.units import TemperatureUnit, duration_text, from_celsius

register = template.Library()
NO_BREAK = "\u00a0"
UNKNOWN = "unknown"

# state word → (symbol, class, words)
CHIPS: dict[str, tuple[str, str, str]] = {
    "out_high": ("high", "out", "Out of range"),
    "out_low": ("low", "out", "Out of range"),
    "out_of_range": ("high", "out", "Out of range"),
    "at_risk": ("risk", "risk", "At risk"),
    "not_proven": ("unp", "unp", "Not proven"),
    "in_range_proven": ("ok", "ok", "In range, proven"),
    "refused": ("no", "", "Refused"),
}


@register.simple_tag
def chip(state: str, words: str = "") -> SafeString:
    """A state as shape, word and box; every other state is grey."""
    symbol, css, said = CHIPS.get(state, ("non", "", state.replace("_", " ").capitalize()))
    return format_html(
        '<span class="chip {}"><svg class="g" aria-hidden="true"><use href="#s-{}"/></svg>{}</span>',
        css,
        symbol,
        words or said,
    )


@register.simple_tag
def mark(state: str) -> SafeString:
    """The shape of a state alone, for places where its word stands beside."""
    symbol, css, _ = CHIPS.get(state, ("non", "non", ""))
    return format_html('<svg class="g s-{}" aria-hidden="true"><use href="#s-{}"/></svg>', css or "non", symbol)


@register.simple_tag(takes_context=True)
def celsius(context: dict[str, Any], value: float | None, decimals: int = 1, span: bool = False) -> str:
    """A stored degree Celsius in the reader's unit; a span converts as a difference. None is the word unknown."""
    if value is None:
        return UNKNOWN
    user = getattr(context.get("request"), "user", None)
    unit: TemperatureUnit = getattr(user, "temperature_unit", "c")
    shown = value * 9 / 5 if span and unit == "f" else value if span else from_celsius(value, unit)
    return f"{shown:.{decimals}f}{NO_BREAK}°{unit.upper()}"


@register.filter
def clock(at: datetime | None, zone: str = "UTC") -> SafeString | str:
    """`03:12` in the zone, with the UTC instant on hover."""
    return _time(at, zone, "{1}")


@register.filter
def day_clock(at: datetime | None, zone: str = "UTC") -> SafeString | str:
    """`Wed 18 Nov, 03:12` in the zone, with the UTC instant on hover."""
    return _time(at, zone, "{0:%a} {0.day} {0:%b}, {1}")


@register.filter
def day_only(at: datetime | None, zone: str = "UTC") -> SafeString | str:
    """`18 Nov 2026` in the zone, with the UTC instant on hover."""
    return _time(at, zone, "{0.day} {0:%b %Y}")


@register.filter
def share(value: float | None) -> str:
    """A share from 0 to 1 as a percentage with one decimal; None is the word unknown."""
    return UNKNOWN if value is None else f"{value * 100:.1f}{NO_BREAK}%"


@register.filter
def points(value: float) -> str:
    """A difference of two shares in percentage points, with its sign."""
    return f"{value * 100:+.1f}"


@register.filter
def weekday_clock(at: datetime | None, zone: str = "UTC") -> SafeString | str:
    """`Wed 03:12` in the zone, with the UTC instant on hover."""
    return _time(at, zone, "{0:%a} {1}")


def _time(at: datetime | None, zone: str, words: str) -> SafeString | str:
    if at is None:
        return UNKNOWN
    local = at.astimezone(ZoneInfo(zone))
    return format_html(
        '<time datetime="{}" title="{} UTC">{}</time>',
        at.isoformat(),
        f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S}",
        words.format(local, of_day(local)),
    )


@register.filter
def zone_name(at: datetime, zone: str = "UTC") -> str:
    """The zone's short name at that instant: CET, CEST."""
    return at.astimezone(ZoneInfo(zone)).strftime("%Z")


@register.filter
def lasting(seconds: float | None) -> str:
    """A length of time in words; None is the word unknown."""
    return UNKNOWN if seconds is None else duration_text(seconds).replace(" ", NO_BREAK)


@register.filter
def ago(at: datetime | None, now: datetime) -> str:
    """How long ago an instant was."""
    return UNKNOWN if at is None else duration_text(max(0.0, (now - at).total_seconds())).replace(" ", NO_BREAK)


@register.filter
def own_unit(text: str | None) -> str:
    """A sentence whose degrees Celsius are said in the reader's unit."""
    return in_own_unit(text or "")


@register.filter
def minutes(value: float | None) -> str:
    """Minutes as words; less than one says so instead of nothing."""
    if value is None:
        return UNKNOWN
    return "0" if value * 60 < 1 else duration_text(value * 60).replace(" ", NO_BREAK)


@register.filter
def say(slug: str) -> str:
    """A slug as words: `air_supply` is said air supply."""
    return slug.replace("_", " ")


# quantity → (words for 0, words for 1)
_BINARY = {
    "door": ("closed", "open"),
    "compressor": ("off", "runs"),
    "compressor_fault": ("none", "fault"),
    "defrost": ("no", "defrosting"),
    "power": ("lost", "mains"),
    "wan_primary": ("down", "up"),
    "wan_backup": ("down", "up"),
    "heartbeat": ("missing", "beats"),
    "generator": ("stopped", "runs"),
}


@register.filter
def signal(sensor: Any) -> str:
    """The newest value of a sensor in words."""
    if sensor.value is None:
        return UNKNOWN
    if words := _BINARY.get(sensor.quantity):
        return words[1 if sensor.value else 0]
    return f"{sensor.value:.0f}{NO_BREAK}{sensor.unit}"


@register.filter
def class_name(row: Any) -> str:
    """A service class by code and name, each said once."""
    start = f"Class {row.code}"
    return str(row.name) if row.name.startswith(start) else f"{start}, {row.name}"


@register.filter
def lookup(values: dict[str, Any], name: str) -> Any:
    """The value of a name that holds a dot, such as a permission; None when there is none."""
    return values.get(name)
