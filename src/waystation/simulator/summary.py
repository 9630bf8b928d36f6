"""What a scripted day came to: counts and figures from the product's own records (`waystation.demo/1`)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from waystation.alarms import queries as alarms
from waystation.evidence import queries as evidence
from waystation.incidents import queries as incidents
from waystation.kernel.canonical import instant
from waystation.registry import queries as registry
from waystation.simulator.player import Player
from waystation.spares import queries as spares
from waystation.telemetry import queries as telemetry
from waystation.telemetry.proving import prove
from waystation.telemetry.reader import count

SCHEMA = "waystation.demo/1"


def summary(player: Player, start: datetime, end: datetime, steps: Mapping[str, bool]) -> dict[str, Any]:
    """The summary of [start, end); every figure is read from the product."""
    by = player.system
    sites = list(registry.sites(by))
    trust, gaps = _trust(sites, start, end)
    rows = incidents.all_incidents(by)
    names = {r.pk: r.name for r in rows}
    return {
        "schema": SCHEMA,
        "from": instant(start),
        "to": instant(end),
        "sites": len(sites),
        "sensors": sum(len(registry.sensors(s.pk)) for s in sites),
        "readings": count(start, end),
        "gaps": gaps,
        "excursions": [_excursion(e) for e in telemetry.excursions_between(start, end)],
        "trust_min": trust,
        "pages": [_page(p, player, names) for p in alarms.pages_since(start) if p.kind == "page"],
        "incidents": [_incident(r) for r in rows],
        "reservations": [_reservation(by, r) for r in rows if spares.of_incident(by, r.pk)["reservations"]],
        "dispatches": [_dispatch(d, names) for d in spares.all_dispatches()],
        "returns": [_return(r, names) for r in spares.all_returns()],
        "evidence": evidence.heads(),
        "steps": [{"name": name, "done": done} for name, done in steps.items()],
    }


def _trust(sites: list[Any], start: datetime, end: datetime) -> tuple[dict[str, float], list[dict[str, Any]]]:
    total = {"in_range_proven": 0.0, "out_of_range": 0.0, "not_proven": 0.0}
    gaps: list[dict[str, Any]] = []
    for site in sites:
        for space in registry.spaces(site.pk):
            proof = prove(space, start, end) if space.profile and site.state == "active" else None
            if proof is None:
                continue
            for name, minutes in proof.minutes.items():
                total[name] += minutes
            for reason in proof.reasons:
                minutes = (reason.end_s - reason.start_s) / 60
                if minutes >= 5:
                    gaps.append(
                        {"site": site.code, "space": space.code, "minutes": round(minutes, 1), "cause": reason.words}
                    )
    return {name: round(value, 1) for name, value in total.items()}, gaps


def _excursion(row: Any) -> dict[str, Any]:
    return {
        "id": str(row.pk),
        "site": row.space.site.code,
        "space": row.space.code,
        "start": instant(row.started_at),
        "end": instant(row.ended_at) if row.ended_at else None,
        "direction": row.direction,
        "peak_c": row.peak_c,
        "minutes": round(row.measured_s / 60, 1),
        "in_doubt": row.in_doubt,
        "found_late": row.found_late,
    }


def _page(row: Any, player: Player, names: Mapping[Any, str]) -> dict[str, Any]:
    return {
        "at": instant(row.at),
        "to": player.codes.get(row.person_id, str(row.person_id)),
        "reason": row.alarm.rule,
        "incident": names.get(row.incident_id, ""),
        "answered": instant(row.acked_at) if row.acked_at else None,
    }


def _incident(row: Any) -> dict[str, Any]:
    at = {n: getattr(row, f"{n}_at") for n in ("service_restored", "product_safe", "resolved")}
    return {
        "id": row.name,
        "site": row.site.code,
        "cause": row.cause,
        "title": row.title,
        "priority": row.priority,
        "opened": instant(row.opened_at),
        **{name: instant(value) if value else None for name, value in at.items()},
        "outcome": row.outcome,
    }


def _reservation(by: Any, row: Any) -> dict[str, Any]:
    held = spares.of_incident(by, row.pk)
    tried = spares.candidates(by, row.pk)
    first = held["reservations"][0]
    return {
        "incident": row.name,
        "unit": first.unit.serial,
        "hub": next((d.from_hub.code for d in held["dispatches"]), ""),
        "candidates": [
            {
                "source": a.source,
                "restore_h": round((a.p90_at - a.at).total_seconds() / 3600, 2) if a.p90_at else None,
                "chosen": a.outcome == "chosen",
                "reason": a.reason,
            }
            for a in tried
        ],
    }


def _dispatch(row: Any, names: Mapping[Any, str]) -> dict[str, Any]:
    return {
        "unit": row.unit.serial,
        "incident": names.get(row.incident_id, ""),
        "from": row.from_hub.code,
        "to": row.to_site.code if row.to_site else "",
        "mode": row.mode,
        "label": row.label,
        "label_kind": row.label_kind,
        "state": row.state,
    }


def _return(row: Any, names: Mapping[Any, str]) -> dict[str, Any]:
    return {"unit": row.unit.serial, "incident": names.get(row.incident_id, ""), "state": row.unit.state}
