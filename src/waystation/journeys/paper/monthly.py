"""A month report as PDF, worked out from its document and nothing else: the same document gives the same bytes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from waystation.journeys.paper import compiled
from waystation.service_levels.rules.month import share_pct

# by section its title, and its columns as `Head=key`
_TABLES = {
    "excursions": "Excursions|Site=site|Space=space|From=at|To=ended_at|Measured out, s=measured_s"
    "|Unknown, s=unknown_s|Cause=cause",
    "incidents": "Incidents|Incident=incident|Site=site|Opened=at|What=title|Restored=restored_at"
    "|Product safe=product_safe_at|Recovery, h=recovery_h|Target, h=recovery_target_h|Recovery=recovery",
    "windows": "Vendor windows|Site=site|Vendor=vendor|What=what|Planned=at|Planned end=planned_end|Came=started_at"
    "|Left=ended_at|Outcome=outcome",
    "work": "Other maintenance|Site=site|When=at|What=what|Outcome=outcome",
    "deviations": "Deviations|Site=site|Space=space|Opened=at|Closed=closed_at|State=outcome",
    "dispatches": "Dispatches|Site=site|Hub=hub|Part=part|Serial=serial|Planned=at|Promised=promised_at"
    "|Delivered=delivered_at|Outcome=outcome",
}


def month_paper(document: Mapping[str, Any]) -> bytes:
    """The PDF of a document (waystation.month/1)."""
    return compiled.pdf("month.typ", _told(document))


def _told(document: Mapping[str, Any]) -> dict[str, Any]:
    day = document["end"][:10].split("-")
    return {
        "month": document["month"],
        "scope": document["scope"],
        "edition": f"Edition {document['edition']}, made {document['made_at']}",
        "period": f"{document['start']} to {document['end']} (UTC), as known at {document['made_at']}",
        "changes": [f"{c['site']}, {c['words']}" for c in document["changes"]],
        "day": [int(part) for part in day],
        "numbers": numbers_of(document),
        "sites": [_site(s) for s in document["sites"]],
        "tables": [_table(document[name], *shape.split("|")) for name, shape in _TABLES.items()],
        "kinds": [[_said(k[c]) for c in ("input", "had", "expected", "unit")] + [pct(k["pct"])]
                  for k in document["inputs"]["kinds"]],
        "missing": [[g["site"], g["input"], f"{g['lacks']:g} {g['unit']}", g["words"]]
                    for g in document["inputs"]["missing"]],
    }  # fmt: skip


def numbers_of(document: Mapping[str, Any]) -> list[list[str]]:
    """The figures of the first page: what, and how much in words."""
    said, inputs = document["summary"], document["inputs"]
    kept = f"{said['sites_kept']} of {said['sites']}"
    if said["sites_unknown"]:
        kept += f", {said['sites_unknown']} not shown"
    return [
        ["Sites that kept every promise", f"{kept} ({pct(said['attainment_pct'])})"],
        ["Uptime of signals", pct(said["uptime_pct"])],
        ["Product time proven in range", pct(said["in_range_proven_pct"])],
        ["Excursions", f"{said['excursions']}; {said['out_min']:g} min out, {said['unknown_min']:g} min unknown"],
        ["Recovery of incidents", tally(said["incidents"])],
        ["Product of incidents", tally(said["product_safe"])],
        ["Vendor windows", tally(said["windows"])],
        ["Other maintenance", tally(said["work"])],
        ["Deviations", tally(said["deviations"])],
        ["Dispatches", tally(said["dispatches"])],
        ["Expected inputs that were there", f"{pct(inputs['complete_pct'])} of the least complete kind"],
    ]


def pct(value: float | None) -> str:
    """A share with two places; `nothing expected` where there is none."""
    return "nothing expected" if value is None else f"{value:.2f} %"


def tally(found: Mapping[str, int]) -> str:
    """`3 kept, 1 broken`; `none` where there is none."""
    return ", ".join(f"{count} {word}" for word, count in found.items()) or "none"


def _site(site: Mapping[str, Any]) -> list[str]:
    signals = site["signals"]
    shown = signals["proven_s"] + signals["out_s"]
    whole = shown + signals["not_proven_s"] + signals["waiting_s"]
    bad = "; ".join(f"{p['promise']}: {p['words']}" for p in site["promises"] if p["kept"] != "yes")
    uptime = pct(share_pct(shown, whole))
    return [f"{site['name']} ({site['site']})", site["service_class"], site["kept"], uptime, bad]


def _table(records: Sequence[Mapping[str, Any]], title: str, *columns: str) -> dict[str, Any]:
    shown = [tuple(column.split("=")) for column in columns]
    rows = [[_said(record.get(key)) for _, key in shown] for record in records]
    return {"title": title, "heads": [head for head, _ in shown], "rows": rows}


def _said(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:g}" if isinstance(value, float) else str(value)
