"""A closed month as a document: its bounds, its sums, what it lacked, a part of it, and what a later edition says else.

A document (waystation.month/1) is plain data: `sites`, and lists of records by section, each record with `id`,
`site_id`, `site` and `at`. Everything here is worked out from the document alone, so the same document says the same.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from math import floor
from typing import Any

from waystation.kernel.refusals import BadInput

SCHEMA = "waystation.month/1"
SETTLES_IN = timedelta(hours=72)  # for readings and records on their way
PATIENCE = timedelta(days=10)  # how long hours that are not counted yet are waited for
SECTIONS = ("excursions", "incidents", "windows", "work", "deviations", "dispatches")
# what may be written otherwise later without another thing having happened in the month
DESCRIBES = frozenset(
    {"name", "network", "region", "site", "space", "state", "title", "priority", "calibration", "words", "vendor"}
)
Document = Mapping[str, Any]
Record = Mapping[str, Any]


def bounds(month: str) -> tuple[datetime, datetime]:
    """The month `2026-10` as [start, end) in UTC. Refuses other words."""
    found = re.fullmatch(r"(20\d\d)-(0[1-9]|1[0-2])", month)
    if found is None:
        raise BadInput("service_levels.month", f"{month!r} is no month.", "Write 2026-10.", field="month", value=month)
    year, number = int(found[1]), int(found[2])
    start = datetime(year, number, 1, tzinfo=UTC)
    return start, datetime(year + number // 12, number % 12 + 1, 1, tzinfo=UTC)


def settled_at(month: str) -> datetime:
    """When the month is closed: its end and the time for what is on its way."""
    return bounds(month)[1] + SETTLES_IN


def closed_months(since: datetime, now: datetime) -> list[str]:
    """The months that touch [since, now] and are closed, oldest first."""
    found, at = [], since.astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    while settled_at(name := f"{at:%Y-%m}") <= now:
        found.append(name)
        at = bounds(name)[1]
    return found


def share_pct(had: float, expected: float) -> float | None:
    """Percent, rounded down to two places so that 99.999 is never 100; None where nothing was expected."""
    return None if expected <= 0 else floor(min(1.0, had / expected) * 10_000 + 1e-9) / 100


def scoped(document: Document, keep: Callable[[Record], bool], words: str) -> dict[str, Any]:
    """The part of a document about the sites that `keep` takes, with its own sums. `words` say which part."""
    sites = [s for s in document["sites"] if keep(s)]
    ids = {s["site_id"] for s in sites}
    part = {**document, "scope": words, "sites": sites}
    part |= {name: [r for r in document[name] if r["site_id"] in ids] for name in (*SECTIONS, "changes")}
    return summed(part)


def summed(document: Document) -> dict[str, Any]:
    """The document with `summary` and `inputs` worked out from its lines."""
    return {**document, "summary": summary(document), "inputs": inputs(document)}


def summary(document: Document) -> dict[str, Any]:
    """The figures of the first page. A site of which a promise is unknown is not counted as kept."""
    sites, out = document["sites"], document["excursions"]
    kept = _count(sites, lambda s: s["kept"] == "yes")
    return {
        "sites": len(sites),
        "sites_kept": kept,
        "sites_broken": _count(sites, lambda s: s["kept"] == "no"),
        "sites_unknown": _count(sites, lambda s: s["kept"] == "unknown"),
        "attainment_pct": share_pct(kept, len(sites)),
        "uptime_pct": share_pct(_total(sites, _shown_s), _total(sites, _expected_s)),
        "in_range_proven_pct": share_pct(_total(sites, lambda s: s["signals"]["proven_s"]), _total(sites, _expected_s)),
        "excursions": len(out),
        "out_min": round(_total(out, lambda e: e["measured_s"]) / 60, 1),
        "unknown_min": round(_total(out, lambda e: e["unknown_s"]) / 60, 1),
        "incidents": _tally(document["incidents"], "recovery"),
        "product_safe": _tally([i for i in document["incidents"] if i["needs_product"]], "product"),
        "windows": _tally(document["windows"], "outcome"),
        "work": _tally(document["work"], "outcome"),
        "deviations": _tally(document["deviations"], "outcome"),
        "dispatches": _tally(document["dispatches"], "outcome"),
    }


def inputs(document: Document) -> dict[str, Any]:
    """The share of expected inputs that were there, by kind, the least of them, and each thing that was missing."""
    kinds: list[dict[str, Any]] = []
    missing: list[dict[str, Any]] = []
    for name, unit, rows in _expected(document):
        had, expected = sum(r[1] for r in rows), sum(r[2] for r in rows)
        share = share_pct(had, expected)
        kinds.append({"input": name, "unit": unit, "had": round(had, 2), "expected": round(expected, 2), "pct": share})
        missing += [_gap(name, unit, *row) for row in rows if row[1] < row[2]]
    shares = [k["pct"] for k in kinds if k["pct"] is not None]
    return {"complete_pct": min(shares, default=None), "kinds": kinds, "missing": missing}


Expected = tuple[Record, float, float, str]  # of whom, had, expected, words


def _expected(document: Document) -> list[tuple[str, str, list[Expected]]]:
    sites = document["sites"]
    due = [w for w in document["windows"] if w["outcome"] not in ("planned", "running")]
    over = [i for i in document["incidents"] if i["needs_service"] and i["resolved_at"]]
    sent = [d for d in document["dispatches"] if d["promised_at"] and d["promised_at"] <= document["settled_at"]]
    return [
        (
            "space hours that the readings show",
            "h",
            [(s, _shown_s(s) / 3600, _expected_s(s) / 3600, _waits(s)) for s in sites],
        ),
        ("probe hours under a valid certificate", "h", [_certified(s) for s in sites]),
        (
            "visits of vendor windows",
            "records",
            [_said_or_not(w, w["started_at"], f"no visit recorded: {w['what']}") for w in due],
        ),
        (
            "restorations of incidents",
            "records",
            [_said_or_not(i, i["restored_at"], f"no restoration recorded: {i['incident']}") for i in over],
        ),
        (
            "deliveries that were promised",
            "records",
            [_said_or_not(d, d["ended_at"] or d["delivered_at"], f"no delivery recorded: {d['serial']}") for d in sent],
        ),
    ]


def _certified(site: Record) -> Expected:
    held = site["calibration"]
    return site, held["covered_s"] / 3600, held["judged_s"] / 3600, "no valid certificate"


def _said_or_not(of: Record, at: str, words: str) -> Expected:
    return of, float(bool(at)), 1.0, words


def _gap(name: str, unit: str, of: Record, had: float, expected: float, words: str) -> dict[str, Any]:
    lacks = round(expected - had, 2)
    return {"input": name, "site_id": of["site_id"], "site": of["site"], "lacks": lacks, "unit": unit, "words": words}


def _waits(site: Record) -> str:
    waiting_h = site["signals"]["waiting_s"] / 3600
    return f"not shown, of it {waiting_h:.1f} h not counted yet" if waiting_h else "not shown"


def _shown_s(site: Record) -> float:
    return float(site["signals"]["proven_s"] + site["signals"]["out_s"])


def _expected_s(site: Record) -> float:
    return _shown_s(site) + float(site["signals"]["not_proven_s"] + site["signals"]["waiting_s"])


def _count(rows: Sequence[Record], where: Callable[[Record], bool]) -> int:
    return sum(1 for row in rows if where(row))


def _total(rows: Sequence[Record], of: Callable[[Record], float]) -> float:
    return sum(of(row) for row in rows)


def _tally(rows: Iterable[Record], by: str) -> dict[str, int]:
    found: dict[str, int] = {}
    for row in rows:
        found[row[by]] = found.get(row[by], 0) + 1
    return dict(sorted(found.items()))


def differences(old: Document, new: Document) -> list[dict[str, str]]:
    """What happened in the month by the newer document and not by the older one: site and words; none when they agree.

    Names, places in a region and the like may be written otherwise later: that is no difference.
    """
    found = _different("sites", old["sites"], new["sites"])
    for name in SECTIONS:
        found += _different(name, old[name], new[name])
    return found


def _different(section: str, old: Sequence[Record], new: Sequence[Record]) -> list[dict[str, str]]:
    before, after = ({_key(r): r for r in rows} for rows in (old, new))
    found = [_said(section, before[k], "is gone") for k in before.keys() - after.keys()]
    found += [_said(section, after[k], "was added") for k in after.keys() - before.keys()]
    for key in before.keys() & after.keys():
        fields = _changed(before[key], after[key])
        found += [_said(section, after[key], f"other {', '.join(fields)}")] if fields else []
    return sorted(found, key=lambda one: (one["site"], one["words"]))


def _said(section: str, record: Record, words: str) -> dict[str, str]:
    at = f" of {record['at']}" if record.get("at") else ""
    return {"site_id": record["site_id"], "site": record["site"], "words": f"{section}{at}: {words}"}


def _key(record: Record) -> str:
    return str(record.get("id") or record["site_id"])


def _changed(old: Record, new: Record) -> list[str]:
    names: Collection[str] = sorted((old.keys() | new.keys()) - DESCRIBES)
    return [n for n in names if _facts(old.get(n)) != _facts(new.get(n))]


def _facts(value: Any) -> Any:
    """A value without what only describes it."""
    if isinstance(value, Mapping):
        return {k: _facts(v) for k, v in value.items() if k not in DESCRIBES}
    return [_facts(v) for v in value] if isinstance(value, list | tuple) else value
