"""How a raw number of an instrument becomes a reading, as it is written in the configuration.

    / 10                    divided; `* 0.1` and `* 60` work too
    unless -1, 32767        these raw values are the device's word for "nothing measured"
    is 3, 4                 1 when the raw value is one of these, else 0

Several may follow each other; `unless` and `is` look at the raw value, before anything is multiplied.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from math import isfinite

from waystation.kernel.refusals import BadInput

_NUMBER = r"[+-]?\d{1,15}(?:\.\d{1,9})?"
_PARTS = re.compile(rf"\s*(?:([*/])\s*({_NUMBER})|(unless|is)\s+({_NUMBER}(?:\s*,\s*{_NUMBER})*))")


@dataclass(frozen=True, slots=True)
class Conversion:
    """What is done with a raw number. `ones` None: it is a quantity, not a state."""

    factor: Decimal = Decimal(1)
    divisor: Decimal = Decimal(1)
    nothing: frozenset[Decimal] = frozenset()
    ones: frozenset[Decimal] | None = None

    def of(self, raw: int | float) -> tuple[float | None, str]:
        """The value, or None and the cause. A float keeps its own digits: 21.3 stays 21.3."""
        if not isfinite(raw):
            return None, "no_number"
        exact = Decimal(repr(raw))
        if exact in self.nothing:
            return None, "no_measurement"
        if self.ones is not None:
            return float(exact in self.ones), ""
        return float(exact * self.factor / self.divisor), ""


def parse(words: str, field: str) -> Conversion:
    """The conversion that follows an address; BadInput says what cannot be read."""
    at, factor, divisor = 0, Decimal(1), Decimal(1)
    nothing, ones = set[Decimal](), set[Decimal]()
    while at < len(words.rstrip()):
        found = _PARTS.match(words, at)
        if found is None or (found[1] and Decimal(found[2]) == 0):
            raise BadInput(
                "edge.option",
                f"{words[at:].strip()!r} is no conversion.",
                'Write "/ 10", "* 60", "unless -1" or "is 3, 4".',
                field=field,
                value=words,
            )
        if found[1] == "*":
            factor *= Decimal(found[2])
        elif found[1] == "/":
            divisor *= Decimal(found[2])
        else:
            (nothing if found[3] == "unless" else ones).update(Decimal(n.strip()) for n in found[4].split(","))
        at = found.end()
    return Conversion(factor, divisor, frozenset(nothing), frozenset(ones) or None)
