"""What the paper of a pack says, worked out from the pack's own bytes and nothing else."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np

from waystation.evidence.quick import usable_readings
from waystation.journeys.paper.chart import Line, Scene, drawn
from waystation.telemetry.folding import judge_columns
from waystation.telemetry.rules.profile import Profile
from waystation.telemetry.rules.second_source import union
from waystation.telemetry.rules.verdict import Kind, SensorJudgement, Stretch

ON_PAGE_ONE = 8
WORDS = {"in_range_proven": "In range, proven", "out_of_range": "Out of range", "not_proven": "Not proven"}
OUT = (Kind.LOW, Kind.HIGH)
STEP = "service_levels.session_step"
# what an inspector asks for of a story: settings that were changed, and what was kept from sounding
CHANGES = ("registry.", "access.", "telemetry.probe", "telemetry.doubt", "telemetry.certificate", "product.")
SUPPRESSIONS = ("shelv", "silenc", "window", "suppress", "inhibit", "out_of_service", "matrix", "route")


@dataclass(frozen=True, slots=True)
class Series:
    """One readings member as read and judged again."""

    item: dict[str, Any]
    line: Line
    judged: SensorJudgement
    low_c: float
    high_c: float


class Opened:
    """The members of a pack, and its period in the site's own time."""

    def __init__(self, pack: bytes) -> None:
        with zipfile.ZipFile(io.BytesIO(pack)) as archive:
            self.members = {name: archive.read(name) for name in archive.namelist()}
        self.digest = sha256(pack).hexdigest()
        self.claim = self.json("claim.json")
        self.zone = ZoneInfo(self.claim.get("zone", "UTC"))
        self.start, self.end = _instant(self.claim["from"]), _instant(self.claim["to"])

    def json(self, name: str) -> Any:
        """A member's JSON value."""
        return json.loads(self.members[name])

    def local(self, at: Any) -> str:
        """An instant (RFC 3339, or seconds) in the site's time with its offset; empty for none."""
        if at in (None, ""):
            return ""
        moment = datetime.fromtimestamp(at, UTC) if isinstance(at, int | float) else _instant(at)
        there = moment.astimezone(self.zone)
        offset = there.strftime("%z")
        seconds = f":{there:%S}" if there.second else ""
        return f"{there:%d %b %Y %H:%M}{seconds} UTC{offset[:3]}:{offset[3:5]}"


def contents(pack: bytes) -> dict[str, Any]:
    """Everything that the paper shows, as texts, numbers as texts, and charts as SVG."""
    held = Opened(pack)
    series = [_series(held, item) for item in held.claim["readings"]]
    made = _made(held)
    return {
        **_page_one(held, series),
        "spaces": [_space(held, code, [s for s in series if s.item["space"] == code]) for code in held.claim["spaces"]],
        "probes": _probes(held),
        "alarms": _alarms(held),
        "lots": _lots(held),
        "holds": _holds(held),
        "maintenance": _maintenance(held),
        "vendor_sessions": _vendor_sessions(held),
        "changes": _changes(held),
        "covered": [_reason(held, one) for one in held.claim.get("covered", [])],
        "digest": held.digest,
        "software": held.claim.get("software", "version not stated"),
        "made": held.local(made.get("at")),
        "by": made.get("actor", ""),
        "day": [held.end.year, held.end.month, held.end.day],
        "log": _log(held),
    }


def _page_one(held: Opened, series: Sequence[Series]) -> dict[str, Any]:
    claim = held.claim
    reasons = [_reason(held, one) for one in claim["not_proven"]]
    reasons += [
        {"what": f"{s.item['sensor']}: {gap.cause.replace('_', ' ')}", "from": held.local(gap.start_s),
         "to": held.local(gap.end_s), "minutes": _minutes(gap.end_s - gap.start_s)}
        for s in series for gap in s.judged.gaps
        if not _is_told(held, s.item["sensor"], gap.start_s, gap.end_s)
    ]  # fmt: skip
    reasons += [
        {"what": f"{s.item['sensor']}: between the guard band and a limit", "from": "", "to": "",
         "minutes": _minutes(s.judged.guard_s)}
        for s in series if s.judged.guard_s
    ]  # fmt: skip
    whole_s = (held.end - held.start).total_seconds()
    return {
        "site": claim["site"],
        "network": claim["network"],
        "sentence": sentence_of(held),
        "verdict": claim["verdict"],
        "verdict_words": WORDS[claim["verdict"]],
        "from": held.local(claim["from"]),
        "to": held.local(claim["to"]),
        "durations": [
            {"name": words, "minutes": _minutes(60 * claim[name]), "share": f"{6000 * claim[name] / whole_s:.2f} %"}
            for words, name in (
                ("In range, proven", "in_range_min"),
                ("Out of range", "out_of_range_min"),
                ("Not proven", "not_proven_min"),
            )
        ],
        "not_proven": reasons,
        "on_page_one": ON_PAGE_ONE,
        "not_checked": claim["not_checked"],
        "witness": _witness(held),
        "limits": _limits(held),
    }


def sentence_of(held: Opened) -> str:
    """The verdict of a pack in one sentence."""
    claim, limits = held.claim, held.claim["profile"]
    where = f"{', '.join(claim['spaces'])} of {claim['site']}"
    when = f"from {held.local(claim['from'])} to {held.local(claim['to'])}"
    between = f"between {limits['low_c']} and {limits['high_c']} °C"
    condition = ", on the conditions named below" if claim["conditional"] else ""
    if claim["verdict"] == "in_range_proven":
        return f"{where}: {between} all the time {when}. This is proven{condition}."
    if claim["verdict"] == "not_proven":
        lost = _minutes(60 * claim["not_proven_min"])
        return f"{where}: that it was {between} {when} is not proven for {lost} min{condition}."
    count, out = len(claim["excursions"]), _minutes(60 * claim["out_of_range_min"])
    return f"{where}: out of range for {out} min, in {count} excursion{'s' if count != 1 else ''}, {when}{condition}."


def _limits(held: Opened) -> list[dict[str, str]]:
    """The profile of the claim, and those of sensors that have their own."""
    found = [held.claim["profile"], *(item["profile"] for item in held.claim["readings"] if "profile" in item)]
    texts = {
        (one.get("code", ""), one.get("edition", "")): {
            "profile": f"{one.get('name', '')} ({one.get('code', '')}, edition {one.get('edition', '')})",
            "source": one.get("source", ""),
            "range": f"{one['low_c']} to {one['high_c']} °C",
            "guard": f"{one.get('guard_band_c', '0')} K",
        }
        for one in found
    }
    return list(texts.values())


def _reason(held: Opened, one: dict[str, Any]) -> dict[str, str]:
    start, end = one.get("from", held.claim["from"]), one.get("to", held.claim["to"])
    length_s = (_instant(end) - _instant(start)).total_seconds()
    return {"what": one["reason"], "from": held.local(start), "to": held.local(end), "minutes": _minutes(length_s)}


def _is_told(held: Opened, sensor: str, start_s: float, end_s: float) -> bool:
    """Whether the claim names this gap itself, or a second source covers it."""
    told = [*held.claim["not_proven"], *held.claim.get("covered", [])]
    mine = [
        (_instant(one["from"]).timestamp(), _instant(one["to"]).timestamp())
        for one in told
        if "from" in one and (one["reason"].startswith(f"{sensor}: ") or "second source" in one["reason"])
    ]
    return any(a <= start_s + 1e-3 and end_s - 1e-3 <= b for a, b in union(mine))


def _witness(held: Opened) -> str:
    lines = held.members["checkpoint"].decode().partition("\n\n")[2].splitlines()
    names = [text.split("+")[0] for text in held.json("policy.json")["witnesses"]]
    by = sorted({line.split(" ")[1] for line in lines} & set(names))
    since = held.claim.get("unwitnessed_since")
    if by:
        return f"Witnessed by {len(by)}: {', '.join(by)}."
    told = f" since {held.local(since)}" if since else ""
    return f"Unwitnessed{told}: only the log's own signature says that it was not rewritten."


def _log(held: Opened) -> dict[str, str]:
    origin, size, root = held.members["checkpoint"].decode().split("\n")[:3]
    return {"origin": origin, "size": size, "root": root}


def _made(held: Opened) -> dict[str, Any]:
    """The entry that vouches for the pack."""
    claim = sha256(held.members["claim.json"]).hexdigest()
    for name in held.members:
        if name.startswith("entries/"):
            said: dict[str, Any] = held.json(name)
            if said["kind"] == "evidence.pack_made" and said.get("facts", {}).get("claim_sha256") == claim:
                return said
    return {}


def _series(held: Opened, item: dict[str, Any]) -> Series:
    at_us, value_c = usable_readings(item["path"], memoryview(held.members[item["path"]]))
    limits, hold_s = item.get("profile", held.claim["profile"]), float(item["max_hold_s"])
    low_c, high_c = float(limits["low_c"]), float(limits["high_c"])
    profile = Profile(limits["name"], low_c, high_c, (), None, float(limits["guard_band_c"]))
    at_s = np.asarray(at_us / 1e6)
    judged = judge_columns(at_s, value_c, profile, hold_s, held.start.timestamp(), held.end.timestamp())
    return Series(item, Line(at_us, value_c, round(hold_s * 1e6)), judged, low_c, high_c)


def _space(held: Opened, code: str, series: Sequence[Series]) -> dict[str, Any]:
    sensors = {s.item["sensor"] for s in series}
    doubts = [
        (_instant(one["from"]).timestamp(), _instant(one["to"]).timestamp())
        for one in held.claim["not_proven"]
        if "from" in one and one["reason"].split(": ")[0] in {code, *sensors}
    ]
    gaps = [(g.start_s, g.end_s) for s in series if "second_source" not in s.item for g in s.judged.gaps]
    out = [_ends(stretch) for s in series for stretch in s.judged.timeline if stretch.kind in OUT]
    low_c, high_c = (series[0].low_c, series[0].high_c) if series else (2.0, 8.0)
    scene = Scene(
        held.start, held.end, low_c, high_c, [s.line for s in series], union([*doubts, *gaps]), union(out), held.zone
    )
    mapping: dict[str, str] = next((m for m in held.claim.get("mapping", []) if m["space"] == code), {})
    return {
        "code": code,
        "mapping": mapping.get("report") or "not stated",
        "mapping_due": mapping.get("due") or "not stated",
        "chart": drawn(scene),
        "sensors": [_statistics(s) for s in series],
        "excursions": [
            {"sensor": e["sensor"], "start": held.local(e["start"]), "direction": e["direction"],
             "peak": f"{e['peak_c']:.2f}", "minutes": _minutes(60 * e["minutes"])}
            for e in held.claim["excursions"] if e["sensor"] in sensors
        ],
        "gaps": [
            {"sensor": s.item["sensor"], "from": held.local(g.start_s), "to": held.local(g.end_s),
             "minutes": _minutes(g.end_s - g.start_s), "cause": g.cause.replace("_", " ")}
            for s in series for g in s.judged.gaps
        ],
    }  # fmt: skip


def _ends(stretch: Stretch) -> tuple[float, float]:
    return stretch.start_s, stretch.end_s


def _statistics(series: Series) -> dict[str, str]:
    judged, at_us = series.judged, series.line.at_us
    interval = f"{np.median(np.diff(at_us)) / 1e6:g} s" if len(at_us) > 1 else "unknown"
    return {
        "sensor": series.item["sensor"],
        "second": series.item.get("second_source", ""),
        "interval": interval,
        "count": str(len(at_us)),
        "min": _c(judged.min_c),
        "max": _c(judged.max_c),
        "mean": _c(judged.mean_c),
        "mkt": _c(judged.mkt_c),
        "proven": _minutes(judged.in_range_s),
        "out": _minutes(judged.out_of_range_s),
        "unproven": _minutes(judged.not_proven_s),
        "offset": _offset(series.item),
    }


def _offset(item: Mapping[str, Any]) -> str:
    """What the values carry: the certificate's correction, and each later one with the day that it began."""
    later = [f"{step['offset_c']} from {_day(step['from'])}" for step in item.get("offsets", ())]
    return ", ".join([item.get("offset_c", "0"), *later])


def _probes(held: Opened) -> list[dict[str, str]]:
    return [
        {"sensor": c["sensor"], "serial": c["probe_serial"], "certificate": c["certificate"],
         "laboratory": c["laboratory"], "valid": f"{_day(c['valid_from'])} to {_day(c['valid_until'])}",
         "result": "passed" if c["passed"] else "FAILED", "offset": f"{float(c['offset_c']):+.2f}",
         "uncertainty": "" if c["uncertainty_c"] is None else f"{float(c['uncertainty_c']):.2f}", "entry": _entry(c)}
        for c in held.json("calibration.json")
    ]  # fmt: skip


def _alarms(held: Opened) -> list[dict[str, str]]:
    rows = sorted(
        (a for a in held.json("alarms.json") if a["step"] != "chain"),
        key=lambda a: (str(a.get("at") or a.get("instant") or ""), a["step"]),
    )
    return [
        {"at": held.local(a.get("at") or a.get("instant")), "step": a["step"].replace("_", " "),
         "severity": str(a["severity"]).replace("_", " "), "rule": str(a["rule"]).replace("_", " "),
         "whom": " ".join(str(a[k]) for k in ("channel", "receipt") if a.get(k)), "entry": _entry(a)}
        for a in rows
    ]  # fmt: skip


def _lots(held: Opened) -> list[dict[str, str]]:
    return [
        {"lot": c["lot"], "product": c["product"], "space": c["space"], "quantity": f"{c['quantity']} {c['unit']}",
         "since": held.local(c["since"]), "until": held.local(c.get("until")) or "still there", "entry": _entry(c)}
        for c in held.json("consignments.json") if "hold" not in c
    ]  # fmt: skip


def _holds(held: Opened) -> list[dict[str, str]]:
    return [
        {"lot": c["lot"], "space": c["space"], "state": c["hold"].replace("_", " "),
         "opened": held.local(c["opened_at"]), "measured": _minutes(float(c["measured_s"] or 0)),
         "worst": _minutes(float(c["worst_case_s"] or 0)), "decided": held.local(c.get("decided_at")) or "not decided",
         "signed": f"{c['signed_name']}: {c['signed_meaning']}" if c["signed_name"] else "unsigned",
         "entry": _entry(c)}
        for c in held.json("consignments.json") if "hold" in c
    ]  # fmt: skip


def _maintenance(held: Opened) -> list[dict[str, str]] | None:
    """The newest word on each order; None for a pack made before maintenance was kept."""
    if "maintenance.json" not in held.members:
        return None
    newest = {m["object"]: m for m in held.json("maintenance.json") if "facts" in m}
    return [
        {"device": f"{f['device']}, {o['device_serial']}", "what": f"{o['activity']}: {f['what']}".replace("_", " "),
         "window": _window(held, o), "who": f.get("who", ""),
         "state": "OVERDUE" if m["at_the_end"] == "overdue" else o["state"].replace("_", " "),
         "told": "; ".join(filter(None, (", ".join(f.get("parts", ())), f.get("found"), m.get("reason")))),
         "entry": _entry(m)}
        for m in newest.values() for f in [m["facts"]] for o in [f["order"]]
    ]  # fmt: skip


def _vendor_sessions(held: Opened) -> list[dict[str, str]] | None:
    """Each session once, with its steps counted; None for a pack made before sessions were kept."""
    if "access.json" not in held.members:
        return None
    of: dict[str, list[dict[str, Any]]] = {}
    for one in held.json("access.json"):
        of.setdefault(one.get("session", ""), []).append(one)
    return [
        {"who": f"{rows[0]['person']}, {rows[0]['vendor']}", "opened": held.local(rows[0].get("at")),
         "why": rows[0].get("reason", ""), "steps": str(sum(r.get("kind") == STEP for r in rows)),
         "state": _ENDINGS.get(rows[0]["at_the_end"], rows[0]["at_the_end"]), "entry": _entry(rows[0])}
        for key, rows in of.items() if key
    ]  # fmt: skip


_ENDINGS = {"open": "OPEN", "by_limit": "NOT CLOSED by its owner", "by_another": "closed by somebody else"}


def _window(held: Opened, order: Mapping[str, Any]) -> str:
    ended = f", ended {held.local(order['ended_at'])}" if order.get("ended_at") else ""
    return f"{held.local(order['planned_start'])} to {held.local(order['planned_end'])}{ended}"


def _changes(held: Opened) -> list[dict[str, str]]:
    """Changes of settings and everything that kept an alarm from sounding, as the log has them."""
    return [
        {"at": held.local(e["at"]), "what": e["kind"].replace(".", ": ").replace("_", " "),
         "reason": e.get("reason", ""), "actor": e.get("actor", ""), "entry": _entry(e)}
        for e in held.json("story.json")
        if "kind" in e and (e["kind"].startswith(CHANGES) or any(word in e["kind"] for word in SUPPRESSIONS))
    ]  # fmt: skip


def _entry(record: dict[str, Any]) -> str:
    return str(record.get("entry", ""))


def digest_of_claim(held: Opened) -> str:
    """SHA-256 of claim.json, as the log names it."""
    return sha256(held.members["claim.json"]).hexdigest()


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


def _day(text: str) -> str:
    return f"{_instant(text):%d %b %Y}"


def _c(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.2f}"


def _minutes(seconds: float) -> str:
    return f"{seconds / 60:,.1f}"
