"""Pages of incidents: the list, and one incident with its clocks, candidates, facts and timeline."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from waystation import wiring
from waystation.access import queries as access
from waystation.alarms import queries as alarms
from waystation.console.approvals import shown as approval_card
from waystation.console.candidates import clocks, table
from waystation.console.reader import of_day
from waystation.console.told import told
from waystation.incidents import feedback, queries, reviews
from waystation.incidents.rules.closing import OUTCOMES
from waystation.incidents.rules.feedback import QUESTIONS
from waystation.journeys.outlook import Outlook, outlook
from waystation.kernel.authority import Authority
from waystation.product import queries as product
from waystation.runbooks import queries as runbooks
from waystation.spares import queries as spares

QUIET = ("alarms.changed", "alarms.held", "alarms.text_kept", "incidents.attached", "runbooks.begun", "alarms.resolved")


@dataclass(frozen=True, slots=True)
class FirstLine:
    """The one thing to do now: in bold, why, and the button: where it posts, or opens."""

    strong: str
    words: str
    button: str = ""
    action: str = ""  # a form that acts
    link: str = ""
    fields: tuple[tuple[str, str], ...] = ()
    who: str = ""  # who may, where this person may not


def incidents(request: HttpRequest) -> HttpResponse:
    """Open incidents, most urgent first; closed ones, newest first; each filter is an address."""
    by: Authority = request.authority  # type: ignore[attr-defined]
    state, priority = request.GET.get("state", "open"), request.GET.get("priority", "")
    rows = queries.ended(by) if state == "closed" else queries.open_incidents(by)
    rows = [i for i in rows if not priority or i.priority == priority]
    site = request.GET.get("site", "")
    rows = [i for i in rows if not site or i.site.code == site]
    names = access.names({i.responder_id for i in rows if i.responder_id})
    last = next(iter(queries.ended(by, 1)), None)
    context = {
        "section": "/incidents/",
        "rows": [(i, names.get(i.responder_id, "") if i.responder_id else "") for i in rows],
        "state": state,
        "priority": priority,
        "site": site,
        "last": last,
    }
    return render(request, "incidents/list.html", context)


def incident(request: HttpRequest, key: str) -> HttpResponse:
    """One incident by number or id."""
    by: Authority = request.authority  # type: ignore[attr-defined]
    now = wiring.clock().now()
    row = queries.incident(by, key)
    zone = ZoneInfo(row.site.zone)
    look = outlook(by, row, now=now) if row.resolved_at is None else Outlook(None, None, (), (), {})
    attempts = spares.candidates(by, row.pk) if by.may("spares.read") else []
    stock = spares.of_incident(by, row.pk) if by.may("spares.read") else {"dispatches": [], "orders": []}
    moves = product.moves_of(row.pk)
    chosen = next((a for a in attempts if a.outcome == "chosen"), None)
    runs = runbooks.runs(by, incident_id=row.pk)
    context = {
        "section": "/incidents/",
        "incident": row,
        "zone": row.site.zone,
        "look": look,
        "state": state_of(look, chosen),
        "first": first_line(by, row, look, chosen, moves, stock["dispatches"]),
        "clocks": clocks(look, chosen, moves[-1] if moves else None, zone, now) if row.resolved_at is None else [],
        "table": table(look, attempts, zone, now) if row.resolved_at is None else None,
        "facts": facts(row, queries.notes(row.pk)),
        "approvals": [approval_card(by, a, now) for run in runs for a in runbooks.approvals(run.pk) if not a.decision],
        "asked": [j for j in runbooks.instructions(by) if j.run.incident_id == row.pk],
        "lines": timeline(row.pk),
        "dispatches": stock["dispatches"],
        "orders": stock["orders"],
        "moves": moves,
        "holds": [h for h in product.holds(by) if h.incident_id == row.pk],
        "review": reviews.of_incident(row.pk),
        "outcomes": OUTCOMES,
        "feedback": _feedback(row, bool(stock["dispatches"])),
        "responder": _names(row),
        "may": {
            p: by.may(p, row.site_id)
            for p in ("incidents.work", "product.move", "spares.dispatch", "evidence.read", "evidence.pack")
        },
        "unanswered": any(a.acked_at is None and a.cleared_at is None for a in alarms.of_incident(row.pk)),
    }
    return render(request, "incidents/incident.html", context)


def _feedback(row: Any, had_part: bool) -> dict[str, Any] | None:
    """The technician's form, and what was said; None before there is anything to say."""
    if not had_part or (row.service_restored_at is None and row.resolved_at is None):
        return None
    said = feedback.newest([row.pk]).get(row.pk, [])
    names = access.names({one.by_id for one in said})
    return {
        "questions": [(name, words, answers) for name, (words, answers) in QUESTIONS.items()],
        "said": [
            (names.get(one.by_id, ""), one, [(w, getattr(one, n)) for n, (w, _) in QUESTIONS.items()]) for one in said
        ],
    }


def _names(row: Any) -> dict[str, str]:
    ids = {k for k in (row.responder_id, row.owner_id, row.acknowledged_by) if k}
    names = access.names(ids)
    return {
        "responder": names.get(row.responder_id, ""),
        "owner": names.get(row.owner_id, ""),
    }


def state_of(look: Outlook, chosen: Any | None) -> str:
    """The chip beside the title: the state of the space now; empty when no space judges."""
    if look.space is None or not look.space.judging:
        return ""
    if look.space.state == "in_range_proven" and look.limit_at is not None and look.limit is not None:
        fault = look.space.of("compressor_fault")
        return "at_risk" if fault is not None and fault.value else "in_range_proven"
    return look.space.state


def first_line(
    by: Authority, row: Any, look: Outlook, chosen: Any | None, moves: Sequence[Any], dispatches: Sequence[Any]
) -> FirstLine | None:
    """What is first: a move under way, the move, the end, the part, or somebody who takes it."""
    if row.resolved_at is not None:
        return None
    base = f"/incidents/{row.name}"
    under_way = next((m for m in moves if m.arrived_at is None), None)
    if under_way is not None:
        words = f"{len(under_way.consignments)} lots go to {under_way.to_space}. Record the temperature on arrival."
        return FirstLine("The product is on its way.", words, "Record the arrival", link="#arrival")
    settled = (row.service_restored_at or not row.needs_service) and (row.product_safe_at or not row.needs_product)
    if settled and state_of(look, chosen) in ("", "in_range_proven"):
        return FirstLine("Both stand.", "Say what came of it and close it.", "Resolve", link="#resolve")
    if _move_first(look, chosen) and not moves:
        return _move_line(by, row, look, base)
    if row.acknowledged_at is None:
        return _gated(
            by,
            row,
            "Nobody has it in hand yet.",
            "The answer is counted from the first page.",
            "Acknowledge",
            f"{base}/acknowledge/",
        )
    return _part_line(by, row, dispatches, base)


def _move_first(look: Outlook, chosen: Any | None) -> bool:
    if not look.lots or look.limit_at is None:
        return False
    comes_late = chosen is None or chosen.p90_at is None or chosen.p90_at >= look.limit_at
    return comes_late or bool(chosen is not None and chosen.basis.get("move_first"))


def _move_line(by: Authority, row: Any, look: Outlook, base: str) -> FirstLine:
    lots, best = len(look.lots), look.move
    late = "No part arrives before the worst-case limit."
    if best is None or best.space not in look.places:
        return FirstLine("Move the product first.", f"{late} No named backup space can take it: find one now.")
    zone = ZoneInfo(row.site.zone)
    start = f"; start by {of_day(best.start_by.astimezone(zone))}" if best.in_time and best.start_by else ""
    words = f"{late} {best.space} takes all {lots} lots{start}."
    if not best.in_time:
        words += " In the worst case that is too late already: start now."
    short = best.space.split(", ")[-1]
    fields = (("to", str(look.places[best.space])), *(("lot", str(lot.pk)) for lot in look.lots))
    may = by.may("product.move", row.site_id)
    who = "" if may else "An operator or the site's contact starts the move."
    return FirstLine("Move the product first.", words, f"Start the move to {short}", f"{base}/move/", "", fields, who)


def _part_line(by: Authority, row: Any, dispatches: Sequence[Any], base: str) -> FirstLine:
    live = next((d for d in dispatches if d.state not in ("installed", "returned", "canceled", "failed")), None)
    if live is None:
        return FirstLine(
            "Look at the site and decide.", "No part is reserved for it.", "Add what you know", link="#note"
        )
    unit, zone = f"{live.unit.part.name} {live.unit.serial}", ZoneInfo(row.site.zone)
    if live.state == "delivered":
        fields = (("unit", str(live.unit_id)),)
        return _gated(
            by,
            row,
            f"Install {unit}.",
            "It is at the site. Service is restored when it is trusted again.",
            "It is installed",
            f"{base}/install/",
            fields,
        )
    promised = (
        f" In 9 of 10 cases all works again by {of_day(live.promised_at.astimezone(zone))}." if live.promised_at else ""
    )
    if live.state == "planned":
        return FirstLine(
            f"Collect {unit} at {live.from_hub.name}.",
            f"{live.task}{promised}",
            "Job sheet",
            link=f"/dispatches/{live.pk}/job-sheet.pdf",
        )
    fields = (("dispatch", str(live.pk)),)
    return _gated(by, row, f"{unit} is on its way.", promised.strip(), "It is delivered", f"{base}/delivered/", fields)


def _gated(
    by: Authority, row: Any, strong: str, words: str, button: str, action: str, fields: tuple[tuple[str, str], ...] = ()
) -> FirstLine:
    permission = "incidents.work" if action.endswith("/acknowledge/") else "spares.dispatch"
    if by.may(permission, row.site_id):
        return FirstLine(strong, words, button, action, "", fields)
    who = (
        "An operator takes it." if permission == "incidents.work" else "The site's contact or a supervisor records it."
    )
    return FirstLine(strong, words, button, action, "", fields, who)


def facts(row: Any, notes: Sequence[Any]) -> list[tuple[str, list[tuple[str, str, datetime | None]]]]:
    """What is known by how it is known: (standing, [(words, source, at)])."""
    people = access.names({n.by_id for n in notes})
    found: dict[str, list[tuple[str, str, datetime | None]]] = {"measured": [], "reported": [], "assumed": []}
    for fact in row.facts:
        if fact["name"] in ("service_restored_at", "product_safe_at"):
            continue  # they stand under "Closes when both stand"
        name = str(fact["name"]).replace("_", " ")
        found[fact["standing"]].append((f"{name}: {fact['value']}", _source(fact), _instant(fact.get("at"))))
    for note in notes:
        found[note.standing].append((note.text, people.get(note.by_id, ""), note.observed_at))
    return list(found.items())


def _source(fact: dict[str, Any]) -> str:
    """Where a fact is from; an age is counted back from the fact's own instant, not from the present."""
    source = str(fact.get("source", ""))
    return f"{source.removesuffix(' ago')} before" if source.endswith(" ago") else source


def _instant(text: Any) -> datetime | None:
    try:
        return datetime.fromisoformat(str(text))
    except ValueError:
        return None


def timeline(incident_id: UUID) -> list[Any]:
    """The lines of a timeline, newest first; what only keeps books is left to the log, repeats are counted."""
    lines = [told(m) for m in queries.timeline(incident_id) if m.kind not in QUIET]
    once = {(f"{line.at:%H:%M}", line.strong, line.words): line for line in lines}
    return sorted(once.values(), key=lambda line: (line.at, line.entry_seq), reverse=True)
