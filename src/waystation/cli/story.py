"""The day in the terminal: what happened, in order, with the figures of the run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from waystation.kernel.units import duration_text

ZONE = ZoneInfo("Europe/Madrid")


def tell(found: Mapping[str, Any], took_s: float) -> None:
    """Print the story of a summary."""
    readings = f"{found['readings']:,}".replace(",", " ")
    print(f"\n{found['sites']} sites, {found['sensors']} sensors, {readings} readings, told in {took_s:.0f} s.\n")
    for at, line in sorted(_lines(found)):
        print(f"  {_clock(at)}  {line}")
    _totals(found)


def _lines(found: Mapping[str, Any]) -> list[tuple[str, str]]:
    lines = []
    names = {i["id"]: i["title"] for i in found["incidents"]}
    for incident in found["incidents"]:
        lines.append((incident["opened"], f"{incident['id']} {incident['priority']}  {incident['title']}"))
        for key, words in (("service_restored", "service restored"), ("product_safe", "product safe")):
            if incident[key]:
                lines.append((incident[key], f"{incident['id']}     {words}"))
        if incident["resolved"]:
            lines.append(
                (incident["resolved"], f"{incident['id']}     resolved: {incident['outcome'].replace('_', ' ')}")
            )
    for page in _first_pages(found["pages"]):
        answered = f", answered {_clock(page['answered'])}" if page["answered"] else ", no answer"
        lines.append((page["at"], f"{page['incident']}     paged {page['to'].replace('-', ' ').title()}{answered}"))
    opened = {i["id"]: i["opened"] for i in found["incidents"]}
    for reservation in found["reservations"]:
        chosen = next((c for c in reservation["candidates"] if c["chosen"]), None)
        if chosen and reservation["incident"] in names:
            lines.append(
                (
                    opened[reservation["incident"]],
                    f"{reservation['incident']}     {chosen['source']}, {reservation['unit']}: {chosen['reason']}",
                )
            )
    return lines


def _first_pages(pages: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The first page of each person about each incident."""
    seen, found = set(), []
    for page in pages:
        key = (page["incident"], page["to"])
        if key not in seen:
            seen.add(key)
            found.append(page)
    return found


def _totals(found: Mapping[str, Any]) -> None:
    trust = found["trust_min"]
    total = sum(trust.values()) or 1.0
    shares = {name: f"{100 * minutes / total:.2f} %" for name, minutes in trust.items()}
    said = (("in_range_proven", "proven in range"), ("not_proven", "not proven"), ("out_of_range", "out of range"))
    print("\nProduct time: " + ", ".join(f"{shares[name]} {words}" for name, words in said) + ".")
    for one in found["excursions"]:
        length = duration_text(one["minutes"] * 60)
        more = [*(["found in late data"] if one["found_late"] else []), *([one["in_doubt"]] if one["in_doubt"] else [])]
        tail = "".join(f", {words}" for words in more)
        print(f"  {one['site']}, {one['space']}: {one['direction']} for {length}, peak {one['peak_c']:.1f} °C{tail}")
    print(", ".join(f"{len(found[name])} {name}" for name in ("pages", "incidents", "dispatches", "returns")) + ".")
    for log, head in found["evidence"].items():
        state = "verified" if head["verified"] else "DOES NOT VERIFY"
        print(f"Evidence log {log}: {head['tree_size']} entries, root {head['root'][:16]}…, {state}, unwitnessed.")
    missing = [s["name"] for s in found["steps"] if not s["done"]]
    print(f"{sum(s['done'] for s in found['steps'])} of {len(found['steps'])} steps of the day stand.")
    for name in missing:
        print(f"  not yet: {name}")


def _clock(at: str) -> str:
    return f"{datetime.fromisoformat(at).astimezone(ZONE):%H:%M}"
