"""The product profile: what range a product bears, and how strictly it is judged."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from math import isfinite
from typing import Any

from waystation.kernel.refusals import BadInput

OPERATORS = ("<", "<=", ">", ">=")
MODES = ("single_event", "cumulative")
KNOWN = ("name", "low_c", "high_c", "rules", "max_hold_s", "guard_band_c", "mkt", "sensor_codes")
INFORMATIVE = ("source", "edition", "approved_by", "approved_on", "description", "id")
MOST_RULES = 64


@dataclass(frozen=True, slots=True)
class DurationRule:
    """A device-alarm rule: how long (in one run, or added up over the period) a limit may be passed."""

    id: str
    op: str
    limit_c: float
    duration_s: float
    mode: str = "single_event"

    @property
    def is_warm_side(self) -> bool:
        """True when the rule looks at hot values."""
        return self.op.startswith(">")


@dataclass(frozen=True, slots=True)
class Profile:
    """A product range, inclusive, and the rules beside it. `max_hold_s` None: from the readings' own interval."""

    name: str
    low_c: float
    high_c: float
    rules: tuple[DurationRule, ...] = ()
    max_hold_s: float | None = None
    guard_band_c: float = 0.0
    mkt: bool = True
    mkt_limit_c: float | None = None
    sensor_codes: tuple[str, ...] = ()
    not_understood: tuple[str, ...] = field(default=())

    @property
    def band_low_c(self) -> float:
        """The lowest provable value, reckoned in decimals so that 2.0 + 0.3 is 2.3."""
        return float(Decimal(repr(self.low_c)) + Decimal(repr(self.guard_band_c)))

    @property
    def band_high_c(self) -> float:
        """The highest provable value."""
        return float(Decimal(repr(self.high_c)) - Decimal(repr(self.guard_band_c)))

    def is_provable(self, value_c: float) -> bool:
        """True when a reading of this value can prove its time in range: inside the guard band."""
        return self.band_low_c <= value_c <= self.band_high_c

    def is_outside(self, value_c: float) -> bool:
        """True when the value is outside the product range; the limits themselves are inside."""
        return value_c < self.low_c or value_c > self.high_c


def parse_profile(document: object) -> Profile:
    """A profile from a JSON document; BadInput names the member, its value and what to write instead."""
    if not isinstance(document, Mapping):
        raise _bad(
            "profile", document, "is not a JSON object", 'Write {"name": "vaccine", "low_c": 2.0, "high_c": 8.0}.'
        )
    low, high = _number(document, "low_c"), _number(document, "high_c")
    if low > high:
        raise _bad("low_c", low, f"is above high_c {high:g}", "Exchange low_c and high_c.")
    mkt, mkt_limit = _mkt(document.get("mkt", True))
    return Profile(
        name=_text(document, "name"),
        low_c=low,
        high_c=high,
        rules=_rules(document.get("rules")),
        max_hold_s=_positive(document, "max_hold_s"),
        guard_band_c=_not_negative(document, "guard_band_c", 0.0),
        mkt=mkt,
        mkt_limit_c=mkt_limit,
        sensor_codes=_codes(document.get("sensor_codes")),
        not_understood=tuple(sorted(str(k) for k in document if k not in KNOWN and k not in INFORMATIVE)),
    )


def _bad(name: str, value: object, what: str, next_step: str) -> BadInput:
    return BadInput("telemetry.profile", f"The profile's {name} {value!r} {what}.", next_step, field=name, value=value)


def _text(document: Mapping[str, Any], name: str) -> str:
    value = document.get(name)
    if not isinstance(value, str) or not value.strip():
        raise _bad(name, value, "is not a text", f'Write "{name}": "vaccine".')
    return value.strip()


def _as_number(name: str, value: object) -> float:
    step = f"Write {name} as a number, for example 8.0."
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise _bad(name, value, "is not a number", step)
    try:
        number = float(value)
    except (ValueError, OverflowError):
        raise _bad(name, value, "is not a number", step) from None
    if not isfinite(number):
        raise _bad(name, value, "is not a finite number", step)
    return number + 0.0


def _number(document: Mapping[str, Any], name: str) -> float:
    if document.get(name) is None:
        raise _bad(
            name, None, "is missing", f'Write "{name}" as a number of degrees Celsius, for example "{name}": 8.0.'
        )
    return _as_number(name, document[name])


def _positive(document: Mapping[str, Any], name: str) -> float | None:
    if document.get(name) is None:
        return None
    number = _as_number(name, document[name])
    if number <= 0:
        raise _bad(name, document[name], "is not above 0", f"Write {name} in seconds, or leave it out.")
    return number


def _not_negative(document: Mapping[str, Any], name: str, default: float) -> float:
    if document.get(name) is None:
        return default
    number = _as_number(name, document[name])
    if number < 0:
        raise _bad(name, document[name], "is below 0", f"Write {name} as 0 or more.")
    return number


def _mkt(value: object) -> tuple[bool, float | None]:
    if value is None or isinstance(value, bool):
        return value is not False, None
    if isinstance(value, Mapping):
        limit = value.get("limit_c")
        return True, None if limit is None else _as_number("mkt.limit_c", limit)
    raise _bad("mkt", value, "is neither true, false nor an object", 'Write "mkt": true or "mkt": {"limit_c": 8.0}.')


def _codes(value: object) -> tuple[str, ...]:
    if value is None:
        return ()
    if not isinstance(value, list) or any(isinstance(c, bool) or not isinstance(c, str | int | float) for c in value):
        raise _bad("sensor_codes", value, "is not a list of codes", 'Write "sensor_codes": ["-127"].')
    return tuple(str(code).strip() for code in value)


def _rules(value: object) -> tuple[DurationRule, ...]:
    if value is None:
        return ()
    if not isinstance(value, list):
        raise _bad("rules", value, "is not a list", "Write rules as a list of objects.")
    if len(value) > MOST_RULES:
        raise _bad("rules", len(value), f"is more than {MOST_RULES} rules", "Split the profile.")
    found = tuple(parse_rule(rule, f"rules[{i}]") for i, rule in enumerate(value))
    names = [rule.id for rule in found]
    for name in names:
        if names.count(name) > 1:
            raise _bad("rules", name, "names two rules", "Give every rule its own id.")
    return found


def parse_rule(document: object, where: str = "rule") -> DurationRule:
    """One rule from JSON: `id`, `op`, `limit_c`, `duration_s`, `mode`; BadInput names what cannot be used."""
    if not isinstance(document, Mapping):
        raise _bad(where, document, "is not an object", 'Write {"id", "op", "limit_c", "duration_s", "mode"}.')
    op, mode = document.get("op"), document.get("mode", "single_event")
    if op not in OPERATORS:
        raise _bad(f"{where}.op", op, "is no comparison", f"Use one of {' '.join(OPERATORS)}.")
    if mode not in MODES:
        raise _bad(f"{where}.mode", mode, "is no mode", f"Use one of {', '.join(MODES)}.")
    return DurationRule(
        id=_text({f"{where}.id": document.get("id")}, f"{where}.id"),
        op=str(op),
        limit_c=_number({f"{where}.limit_c": document.get("limit_c")}, f"{where}.limit_c"),
        duration_s=_not_negative({f"{where}.duration_s": document.get("duration_s")}, f"{where}.duration_s", 0.0),
        mode=str(mode),
    )
