"""Parts that come back good: a failure that nobody can find is a loan of a unit, not its end.

The shelf needs a unit for every swap, so stock covers all of them; what is bought covers only those that stay away.
"""

from __future__ import annotations

from dataclasses import dataclass

from waystation.planning.rules.bad_actors import garwood
from waystation.planning.rules.checks import at_least_zero

CONFIDENCE = 0.9


@dataclass(frozen=True, slots=True)
class ReturnFlow:
    """Swaps, those whose unit was good, the share with its interval, and units to buy for a number of swaps."""

    swaps: int
    no_fault_found: int
    share: float | None
    low: float
    high: float

    def to_buy(self, swaps: float) -> float:
        """Units that a number of swaps uses up: cautious, at the low end of the share that comes back."""
        return at_least_zero("swaps", swaps) * (1.0 - self.low)


def return_flow(swaps: int, no_fault_found: int) -> ReturnFlow:
    """The flow of good units back to the shelf. With nothing looked at, nothing is counted on."""
    at_least_zero("swaps", swaps)
    found = int(min(at_least_zero("no_fault_found", no_fault_found), swaps))
    if swaps == 0:
        return ReturnFlow(0, 0, None, 0.0, 1.0)
    low, high = garwood(found, CONFIDENCE)
    return ReturnFlow(swaps, found, found / swaps, min(1.0, low / swaps), min(1.0, high / swaps))
