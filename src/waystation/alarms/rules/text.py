"""What a page says when nobody composed a better one: exact asset, location, trend and next step, from plain facts."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from waystation.alarms.rules.conditions import Condition
from waystation.alarms.rules.matrix import MatrixRow

MAX_SUBJECT = 200


@dataclass(frozen=True, slots=True)
class PageText:
    """A page in words. `first_line` alone must be enough on a lock screen."""

    subject: str
    body: str
    first_line: str


def plain_text(condition: Condition, row: MatrixRow, site_name: str, now: datetime) -> PageText:
    """The text of a page from the condition's facts; what is not known is said to be unknown."""
    facts = condition.facts
    what = condition.rule.replace("_", " ")
    where = f"{facts.get('asset', condition.object_kind)}, {facts.get('location', site_name)}"
    first = f"{what}: {where}. {_measured(condition)}"
    lines = [
        first,
        f"Since {condition.started_at:%Y-%m-%d %H:%M} UTC ({int(condition.age_s(now) // 60)} min). {_trend(condition)}",
        row.consequence,
        f"Next step: {row.response}",
        f"Answer within {max(row.respond_within_s // 60, 1)} min.",
    ]
    if condition.worst_case_at is not None:
        lines.insert(2, f"At worst the product is lost at {condition.worst_case_at:%Y-%m-%d %H:%M} UTC.")
    return PageText(f"{site_name}: {what}"[:MAX_SUBJECT], "\n".join(lines), first)


def _measured(condition: Condition) -> str:
    value, limit = condition.number("value_c"), condition.number("limit_c")
    if value is None:
        return "No value is known." if condition.from_missing_data else "No temperature belongs to it."
    return f"{value:.1f} °C" + (f", limit {limit:.1f} °C." if limit is not None else ", limit unknown.")


def _trend(condition: Condition) -> str:
    trend = condition.number("trend_c_per_h")
    return "Trend unknown." if trend is None else f"Trend {trend:+.1f} °C per hour."
