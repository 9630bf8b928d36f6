"""What a device can reach: from its zone along the flows that the policy allows, step by step."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from waystation.kernel.refusals import BadInput


@dataclass(frozen=True, slots=True)
class Flow:
    """What one zone may open to another."""

    begin: str
    end: str
    what: str


@dataclass(frozen=True, slots=True)
class Reached:
    """A zone that can be reached by the shortest chain of flows; one step is direct, more need a device between."""

    zone: str
    way: tuple[Flow, ...]

    @property
    def is_direct(self) -> bool:
        """True when a single flow leads there."""
        return len(self.way) == 1


def flows_of(rows: Sequence[Any]) -> tuple[Flow, ...]:
    """The flows of a template; BadInput for one that is no {from, to, what}."""
    for row in rows if isinstance(rows, list | tuple) else [rows]:
        said = [row.get(name) for name in ("from", "to", "what")] if isinstance(row, Mapping) else []
        if len(said) != 3 or not all(isinstance(v, str) and v.strip() for v in said):
            raise BadInput(
                "registry.flow", "flows: one is no {from, to, what}.", "Name both zones and what.", field="flows"
            )
    return tuple(Flow(r["from"], r["to"], r["what"]) for r in rows)


def reach(zone: str, flows: Sequence[Flow]) -> list[Reached]:
    """Every other zone that can be reached from `zone`, the nearest first; what is not allowed is not there."""
    found: dict[str, tuple[Flow, ...]] = {zone: ()}
    waiting = deque([zone])
    while waiting:
        here = waiting.popleft()
        for flow in flows:
            if flow.begin == here and flow.end not in found:
                found[flow.end] = (*found[here], flow)
                waiting.append(flow.end)
    return sorted((Reached(z, way) for z, way in found.items() if way), key=lambda r: (len(r.way), r.zone))
