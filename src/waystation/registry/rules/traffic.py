"""Classes of traffic of a site: which goes first, and which stays behind when only the backup path is left."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from waystation.kernel.refusals import BadInput

KINDS: Mapping[str, str] = {
    "alarms": "Alarms",
    "telemetry": "Telemetry",
    "operational_control": "Operational control",
    "corporate_it": "Corporate IT",
    "video": "Video",
    "guest_wifi": "Guest Wi-Fi",
}
ALWAYS = ("alarms", "telemetry")
# the classes of a site's agent, and which of these each belongs to
OF_AGENT: Mapping[str, str] = {
    "alarm": "alarms",
    "heartbeat": "operational_control",
    "live": "telemetry",
    "backlog": "telemetry",
    "inventory": "operational_control",
}
SHIPPED: tuple[Mapping[str, Any], ...] = tuple(
    {"kind": kind, "on_backup": kind in (*ALWAYS, "operational_control")} for kind in KINDS
)


@dataclass(frozen=True, slots=True)
class TrafficClass:
    """One class: its priority (1 goes first), and whether the backup path carries it."""

    kind: str
    priority: int
    on_backup: bool

    @property
    def name(self) -> str:
        """The class in words."""
        return KINDS[self.kind]


def traffic_of(rows: Sequence[Any]) -> tuple[TrafficClass, ...]:
    """The classes of a template in order; the shipped ones when it names none. BadInput names what cannot be used.

    Every class is named once, alarms come first, and neither alarms nor telemetry stay behind.
    """
    rows = rows or SHIPPED
    if not isinstance(rows, list | tuple):
        raise _bad("it is a list", rows)
    if not all(isinstance(r, Mapping) and isinstance(r.get("on_backup"), bool) for r in rows):
        raise _bad("each class is {kind, on_backup}", rows)
    kinds = [r["kind"] for r in rows if isinstance(r.get("kind"), str)]
    if sorted(kinds) != sorted(KINDS) or len(kinds) != len(rows):
        raise _bad(f"each of {', '.join(KINDS)} is named once", kinds)
    if kinds[0] != "alarms":
        raise _bad("alarms go first", kinds[0])
    for row in rows:
        if row["kind"] in ALWAYS and not row["on_backup"]:
            raise _bad(f"{row['kind']} is never shed", row["kind"])
    return tuple(TrafficClass(r["kind"], n, r["on_backup"]) for n, r in enumerate(rows, 1))


def contradictions(classes: Sequence[TrafficClass], shed_by_agent: Sequence[str]) -> list[str]:
    """What a site's agent sheds on its backup although the profile carries it there: in words, each class once."""
    carried = {c.kind for c in classes if c.on_backup}
    known = [(kind, OF_AGENT.get(kind, "")) for kind in shed_by_agent]
    return [f"the agent sheds {kind}, which is {KINDS[of].lower()}" for kind, of in known if of in carried]


def _bad(what: str, value: object) -> BadInput:
    return BadInput("registry.traffic", f"traffic: {what}.", "Correct the list.", field="traffic", value=value)
