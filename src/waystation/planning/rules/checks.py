"""Values that a law can use: finite, of the right sign and size, or refused by field with the next step."""

from __future__ import annotations

import math

from waystation.kernel.refusals import BadInput

MOST_MEAN = 500.0  # lead-time demand of one part at one node; beyond it a part is no slow mover
MOST_STATES = 4_000


def at_least_zero(field: str, value: float) -> float:
    """The value, finite and zero or more; refused otherwise."""
    if not (math.isfinite(value) and value >= 0.0):
        raise BadInput(
            "planning.negative", f"{field} is {value:g}.", "Give a number of zero or more.", field=field, value=value
        )
    return float(value)


def above_zero(field: str, value: float) -> float:
    """The value, finite and above zero; refused otherwise."""
    if not (math.isfinite(value) and value > 0.0):
        raise BadInput(
            "planning.not_positive", f"{field} is {value:g}.", "Give a number above zero.", field=field, value=value
        )
    return float(value)


def share(field: str, value: float) -> float:
    """The value, from 0 to 1; refused otherwise."""
    if not 0.0 <= value <= 1.0:
        raise BadInput(
            "planning.share", f"{field} is {value:g}.", "Give a share between 0 and 1.", field=field, value=value
        )
    return float(value)


def mean_demand(field: str, value: float) -> float:
    """A mean number of units outstanding that the count laws carry: 0 to 500."""
    if at_least_zero(field, value) > MOST_MEAN:
        raise BadInput(
            "planning.mean",
            f"{field} is {value:g} units in lead time; these laws are for slow movers, up to {MOST_MEAN:g}.",
            "Check rate and lead time, and their units.",
            field=field,
            value=value,
        )
    return float(value)


def small_enough(what: str, states: float) -> None:
    """Refuse an exact method on more states than it may hold."""
    if states > MOST_STATES:
        raise BadInput(
            "planning.too_many_states",
            f"{what} has {states:g} states; the exact method takes {MOST_STATES}.",
            "Plan it with `waystation plan` and `waystation.problem/1`, or split it.",
            field=what,
            value=states,
        )
