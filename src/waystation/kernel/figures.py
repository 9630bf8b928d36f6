"""A figure never travels without its source: measured by a device, reported by a person, or assumed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Source = Literal["measured", "reported", "assumed"]


@dataclass(frozen=True, slots=True)
class Figure:
    """One number that a decision stands on: its name, value in `unit`, where it came from and the detail."""

    name: str
    value: float
    unit: str
    source: Source
    detail: str = ""

    def words(self) -> str:
        """The figure as a person reads it: `drive 3060 s, measured (41 trips)`."""
        detail = f" ({self.detail})" if self.detail else ""
        return f"{self.name} {self.value:g} {self.unit}, {self.source}{detail}"
