"""Dying in order: what stops first when the mains are gone, what stops last, each step written down."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

STEPS = ("inventory", "backlog", "live", "command", "halt")


@dataclass(frozen=True, slots=True)
class Step:
    """One step of the declared order: what, and from when on battery (seconds) or below which charge (percent)."""

    what: str
    after_s: float | None = None
    below_pct: float | None = None
    command: tuple[str, ...] = ()

    def is_due(self, on_battery_s: float, charge_pct: float | None) -> bool:
        """True when either of its conditions holds."""
        waited = self.after_s is not None and on_battery_s >= self.after_s
        low = self.below_pct is not None and charge_pct is not None and charge_pct < self.below_pct
        return waited or low


@dataclass(frozen=True, slots=True)
class Taken:
    """A step that is taken now, or with `is_undone` taken back because the mains are there again."""

    step: Step
    number: int
    why: str
    is_undone: bool = False


class Shutdown:
    """Follows the mains and the battery. Steps are taken in the declared order, never one before its predecessor."""

    def __init__(self, steps: Sequence[Step]) -> None:
        self._steps = tuple(steps)
        self._done = 0
        self._since_s: float | None = None

    @property
    def is_halting(self) -> bool:
        """True once the last step was taken."""
        return bool(self._steps) and self._done == len(self._steps) and self._steps[-1].what == "halt"

    def step(self, now_s: float, *, mains: bool | None, charge_pct: float | None, is_low: bool) -> list[Taken]:
        """What to do now. Mains None (nobody knows) changes nothing; a battery that says low takes all that is left."""
        if mains is None or self.is_halting:
            return []
        if mains:
            return self._back()
        self._since_s = now_s if self._since_s is None else self._since_s
        on_battery_s, taken = now_s - self._since_s, []
        while self._done < len(self._steps):
            due = self._steps[self._done]
            if not is_low and not due.is_due(on_battery_s, charge_pct):
                break
            self._done += 1
            charge = "" if charge_pct is None else f", charge {charge_pct:g} %"
            why = "battery low" if is_low else f"on battery for {on_battery_s:.0f} s{charge}"
            taken.append(Taken(due, self._done, why))
        return taken

    def _back(self) -> list[Taken]:
        self._since_s = None
        undone = [
            Taken(step, number, "mains are back", is_undone=True)
            for number, step in reversed(list(enumerate(self._steps[: self._done], 1)))
        ]
        self._done = 0
        return undone
