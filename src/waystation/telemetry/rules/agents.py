"""What a site agent says beside readings: what happened at the site, numbers that never come and why, how it stands.

All of it is in the signed body. Bounded and flat, so that it can be kept as events.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from waystation.kernel.refusals import BadInput

MOST_NOTES = 1000
MOST_MEMBERS = 16
MOST_TEXT = 200
# what an agent may tell, and the event that it becomes
NOTES: Mapping[str, str] = {
    "started": "telemetry.agent_started",
    "thinned": "telemetry.readings_thinned",
    "sensor_fault": "telemetry.sensor_fault_told",
    "sounder_fault": "telemetry.sounder_fault_told",
    "clock_stepped": "telemetry.clock_stepped",
    "sounding": "telemetry.local_alarm_sounded",
    "quieted": "telemetry.local_alarm_quieted",
    "cleared": "telemetry.local_alarm_cleared",
    "shutdown_step": "telemetry.shutdown_step",
    "failover_begun": "telemetry.failover_begun",
    "failover_tested": "telemetry.failover_tested",
    "limits_taken": "telemetry.limits_taken",
    "limits_refused": "telemetry.limits_refused",
}
GAP = "telemetry.gap_stated"
GAP_MEMBERS = ("boot", "first", "last", "count", "from_us", "until_us")
# what an agent may say where only some words mean anything
WORDS: Mapping[str, re.Pattern[str]] = {
    "ended": re.compile("first_start|crash_or_power_loss|spool_missing|spool_damaged|stopped|power|selftest"),
    "version": re.compile(r"[0-9][0-9A-Za-z.+-]{0,39}"),
    "spool": re.compile("recording|thinning|outside_only|stopped"),
    "key": re.compile("[0-9a-f]{0,64}"),
    "limits": re.compile("file|[0-9a-f]{0,64}"),
}
NOT_UNDERSTOOD = "not understood: "
_NO_TEXT = re.compile("[\x00\ud800-\udfff]")  # what no database holds
SHOWN = ("boot", "version", "spool", "key", "trouble", "limits", "judged")


@dataclass(frozen=True, slots=True)
class Told:
    """Notes and gaps as flat objects; `state` of a heartbeat, with the sensors whose answer it asks for."""

    notes: tuple[Mapping[str, Any], ...] = ()
    gaps: tuple[Mapping[str, Any], ...] = ()
    state: Mapping[str, Any] = field(default_factory=dict)
    asks: tuple[str, ...] = ()


def told_of(document: Mapping[str, Any]) -> Told:
    """What a batch says beside its readings; BadInput names the member that cannot be used."""
    notes = tuple({name: marked(name, said) for name, said in note.items()} for note in flat_list(document, "notes"))
    for number, note in enumerate(notes):
        if note.get("kind") not in NOTES:
            raise bad(f"notes[{number}].kind", note.get("kind"), "is not known", f"Use: {', '.join(NOTES)}.")
    gaps = flat_list(document, "gaps")
    for number, gap in enumerate(gaps):
        if not all(_is_count(gap.get(name)) for name in GAP_MEMBERS) or not isinstance(gap.get("cause"), str):
            raise bad(f"gaps[{number}]", "", "is no gap", f"Send {', '.join(GAP_MEMBERS)} and cause.")
    state = document.get("state", {})
    if not isinstance(state, Mapping):
        raise bad("state", state, "is no object", "Send an object.")
    if not _is_count(state.get("boot", 0)):
        raise bad("state.boot", state["boot"], "is no count", "Send a whole number from 0.")
    asks = state.get("asks", [])
    if not isinstance(asks, list) or len(asks) > MOST_NOTES or not all(isinstance(a, str) for a in asks):
        raise bad("state.asks", "", "is no list of sensor codes", "Send codes.")
    return Told(notes, gaps, _shown(state), tuple(asks))


def span_of(document: Mapping[str, Any]) -> tuple[int, int] | None:
    """The numbers that a batch answers for, or None when it does not say."""
    span = document.get("span")
    if span is None:
        return None
    if not isinstance(span, list) or len(span) != 2 or not all(map(_is_count, span)) or span[0] > span[1]:
        raise bad("span", span, "is not [first, last]", "Send the first and the last number.")
    return span[0], span[1]


def event_of(note: Mapping[str, Any]) -> str:
    """The event that a note becomes."""
    return NOTES[str(note["kind"])]


def _shown(state: Mapping[str, Any]) -> dict[str, Any]:
    """The part of a state that is kept: what it says only when it changes."""
    found = {name: _shown_text(marked(name, state[name])) for name in SHOWN if name in state}
    if not state:
        return found
    clock, paths = state.get("clock"), state.get("paths")
    found["clock"] = _shown_text(clock.get("state", ""), 40) if isinstance(clock, Mapping) else ""
    found["is_sounding"] = str(bool(state.get("sounding"))).lower()
    down = [p for p in paths if isinstance(p, Mapping) and p.get("is_down")] if isinstance(paths, list) else []
    found["uplinks_down"] = ", ".join(_shown_text(p.get("name", ""), 40) for p in down[:8])
    known = [p for p in paths if isinstance(p, Mapping)] if isinstance(paths, list) else []
    found |= {f"sheds_{_shown_text(p.get('name', ''), 40)}": shed for p in known[:8] if (shed := _shed(p))}
    return found


def _shed(path: Mapping[str, Any]) -> str:
    sheds = path.get("sheds")
    return ", ".join(_shown_text(kind, 20) for kind in sheds[:8]) if isinstance(sheds, list) else ""


def marked(name: str, said: Any) -> Any:
    """What an agent says by that name, with a mark where it is none of the words that are known."""
    words = WORDS.get(name)
    return said if words is None or words.fullmatch(str(said)) else f"{NOT_UNDERSTOOD}{_shown_text(said, 60)}"


def _shown_text(said: object, most: int = MOST_TEXT) -> str:
    return _NO_TEXT.sub("?", str(said))[:most]


def flat_list(document: Mapping[str, Any], name: str) -> tuple[Mapping[str, Any], ...]:
    """A member that is a list of flat objects, bounded."""
    value = document.get(name, [])
    if not isinstance(value, list) or len(value) > MOST_NOTES:
        raise bad(name, "", f"is not a list of at most {MOST_NOTES}", "Split the batch.")
    for number, one in enumerate(value):
        if not isinstance(one, dict) or len(one) > MOST_MEMBERS or not all(map(_is_plain, (*one, *one.values()))):
            raise bad(f"{name}[{number}]", "", "is no flat object", f"Send at most {MOST_MEMBERS} texts and numbers.")
    return tuple(value)


def _is_plain(value: object) -> bool:
    if isinstance(value, str):
        return len(value) <= MOST_TEXT and not _NO_TEXT.search(value)
    if isinstance(value, bool):
        return True
    return isinstance(value, int | float) and abs(value) < 2**62


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**62


def bad(field: str, value: object, what: str, next_step: str) -> BadInput:
    """The refusal of a batch for one member of it."""
    shown = str(value)[:60]
    return BadInput(
        "telemetry.batch", f"{field} {what}{f': {shown}' if shown else ''}.", next_step, field=field, value=shown
    )
