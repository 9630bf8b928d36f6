"""Events of the log in the words of the product, for timelines."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from waystation.journeys.message import what
from waystation.kernel.units import duration_text

Said = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a timeline: when, its state if it changed one, in words, and the entry that proves it."""

    at: datetime
    state: str
    strong: str
    words: str
    entry_seq: int
    kind: str


def _sourced(d: Said) -> tuple[str, str]:
    serial = f" {d['serial']}" if d.get("serial") else ""
    where = f" from {d['chosen']}" if d.get("chosen") else ""
    return ("Unit reserved:" if serial else "Sourced:"), f"{serial}{where}. {d.get('reason', '')}"


_DID = {"begun": "begun", "ok": "done", "waiting": "asked of a person", "failed": "failed"}
_PHASE = {"pre": " (check before)", "post": " (check after)", "undo": " (undo)"}


def _did(d: Said) -> str:
    step, outcome = str(d.get("step", "")).replace("_", " "), str(d.get("outcome", ""))
    return f"{step.capitalize()}{_PHASE.get(str(d.get('phase', '')), '')}: {_DID.get(outcome, outcome)}"


def _why(d: Said) -> str:
    decided = d.get("decided") or {}
    return str(decided.get("reason") or "no reason was kept").replace("_", " ")


def _plain(strong: str, words: str = "") -> Callable[[Said], tuple[str, str]]:
    return lambda d: (strong, words)


WORDS: Mapping[str, Callable[[Said], tuple[str, str]]] = {
    "incidents.opened": lambda d: ("Opened", f"as {d.get('priority', '')}: {what(str(d.get('cause', '')))}"),
    "incidents.joined": lambda d: (
        "",
        f"{d.get('alarms', '')} more alarm{'' if str(d.get('alarms', '')) == '1' else 's'} joined, "
        f"{d.get('priority', '')}",
    ),
    "incidents.acknowledged": lambda d: ("Acknowledged", f"after {duration_text(float(d.get('after_s') or 0))}"),
    "incidents.noted": lambda d: ("", f"{d.get('standing', 'reported')}: {d.get('text', '')}"),
    "incidents.mitigated": lambda d: ("Mitigated:", str(d.get("how", ""))),
    "incidents.service_restored": lambda d: ("Service restored:", str(d.get("source", ""))),
    "incidents.product_safe": lambda d: ("Product safe:", str(d.get("source", ""))),
    "incidents.resolved": lambda d: ("Resolved:", str(d.get("outcome", "")).replace("_", " ")),
    "incidents.assigned": _plain("", "Responder or owner named"),
    "incidents.attached": lambda d: ("", f"{str(d.get('kind', '')).capitalize()} joined"),
    "incidents.review_opened": _plain("Review opened"),
    "incidents.review_written": _plain("", "Review written"),
    "incidents.review_action_added": _plain("", "Review: an action named"),
    "incidents.review_action_done": _plain("", "Review: an action done"),
    "incidents.reviewed": _plain("Reviewed", "and signed"),
    "alarms.raised": lambda d: ("Alarm:", what(str(d.get("rule", "")))),
    "alarms.changed": lambda d: (
        "",
        f"Alarm changed: {what(str(d.get('rule', '')))}" if d.get("rule") else "Alarm changed",
    ),
    "alarms.cleared": lambda d: (
        "",
        f"Alarm cleared: {what(str(d.get('rule', '')))}" if d.get("rule") else "Alarm cleared",
    ),
    "alarms.acknowledged": lambda d: ("Page answered", f"after {duration_text(float(d.get('after_s') or 0))}"),
    "alarms.paged": lambda d: ("Paged", f"at level {d['level']}" if "level" in d else ""),
    "alarms.not_paged": lambda d: ("", f"Nobody more paged: {_why(d)}"),
    "alarms.suppressed": lambda d: ("", f"Quiet: {d.get('kind', '')}, {d.get('reason', '')}".replace("_", " ")),
    "alarms.escalated": lambda d: ("Escalated", f"to level {d.get('level', '')}"),
    "spares.sourced": _sourced,
    "spares.reserved": lambda d: ("Unit reserved:", str(d.get("serial", ""))),
    "spares.picked": lambda d: ("Picked up:", str(d.get("serial", ""))),
    "spares.in_transit": lambda d: ("On its way:", str(d.get("serial", ""))),
    "spares.delivered": lambda d: ("Delivered:", f"{d.get('serial', '')}. Delivery restores nothing"),
    "spares.installed": lambda d: ("Installed:", str(d.get("serial", ""))),
    "product.move_started": lambda d: (
        "Move started:",
        f"{d.get('lots', '')} lots, {d.get('from', '')} to {d.get('to', '')}",
    ),
    "product.move_arrived": lambda d: ("Arrived:", f"{d.get('lots', '')} lots at {d.get('arrival_c', '')} °C"),
    "product.hold_opened": lambda d: ("Product hold:", f"lot {d.get('lot', '')}"),
    "product.hold_updated": lambda d: ("", f"Hold of lot {d.get('lot', '')} brought up to date"),
    "product.released": lambda d: ("Released by QA:", f"lot {d.get('lot', '')}"),
    "product.rejected": lambda d: ("Rejected by QA:", f"lot {d.get('lot', '')}"),
    "product.transferred": lambda d: ("Transferred by QA:", f"lot {d.get('lot', '')}"),
    "runbooks.proposed": lambda d: ("", f"Runbook {d.get('slug', '')}, version {d.get('version', '')}"),
    "runbooks.begun": lambda d: ("", f"Begun: {d.get('step', '')} ({d.get('phase', '')})"),
    "runbooks.did": lambda d: ("", _did(d)),
    "runbooks.answered": lambda d: ("Answered:", _did(d)),
    "runbooks.approval_asked": lambda d: ("Approval asked:", str(d.get("step", ""))),
    "runbooks.step_approved": lambda d: ("Approved:", str(d.get("step", ""))),
    "runbooks.step_denied": lambda d: ("Denied:", str(d.get("step", ""))),
    "runbooks.step_expired": lambda d: ("Expired, nothing was done:", str(d.get("step", ""))),
    "telemetry.unmonitored": _plain("Unmonitored:", "hand readings are due"),
    "telemetry.monitored_again": _plain("Monitored again"),
    "telemetry.hand_reading": lambda d: ("Hand reading:", f"{d.get('value_c', '')} °C by {d.get('instrument', '')}"),
}
STATES = {
    "incidents.service_restored": "in_range_proven",
    "incidents.product_safe": "in_range_proven",
    "product.hold_opened": "out_of_range",
    "telemetry.unmonitored": "not_proven",
}


def told(moment: Any) -> Line:
    """A moment of the log as a line; a kind without words of its own says its name."""
    said = WORDS.get(moment.kind)
    strong, words = said(moment.data) if said else ("", moment.kind.replace(".", ": ").replace("_", " "))
    state = STATES.get(moment.kind, "")
    if moment.kind == "alarms.raised":
        rule = str(moment.data.get("rule", ""))
        state = {"excursion": "out_of_range", "rising": "at_risk", "site_unreachable": "not_proven"}.get(rule, "")
    return Line(moment.at, state, strong, words, moment.entry_seq, moment.kind)
