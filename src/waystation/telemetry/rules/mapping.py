"""Which sensor a written series is: by its tag `sensor`, else by the rules of the site; else nobody's, and it waits."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from waystation.kernel.units import TemperatureUnit
from waystation.telemetry.rules.cells import ValueReader, number_to_celsius, shown, unit_of
from waystation.telemetry.rules.columns import VALUE_NAMES, header_unit
from waystation.telemetry.rules.points import NUMERIC

SENSOR_TAG = "sensor"
SERIES_LEAD = "series."
_TRUE = frozenset(("t", "T", "true", "True", "TRUE"))
_FALSE = frozenset(("f", "F", "false", "False", "FALSE"))


@dataclass(frozen=True)
class Series:
    """What tells one series of a site from another: measurement, tags in order of their names, field."""

    measurement: str
    tags: tuple[tuple[str, str], ...]
    field: str

    @cached_property
    def code(self) -> str:
        """The code under which its readings stand in the log while no sensor has them."""
        name = json.dumps([self.measurement, self.tags, self.field], ensure_ascii=True, separators=(",", ":"))
        return SERIES_LEAD + hashlib.sha256(name.encode()).hexdigest()[:40]

    @property
    def size(self) -> int:
        """The characters of all its words."""
        return len(self.measurement) + len(self.field) + sum(len(key) + len(value) for key, value in self.tags)


@dataclass(frozen=True, slots=True)
class Target:
    """A sensor that readings can go to: its code, what it measures, and the unit in its record."""

    code: str
    quantity: str
    unit: str

    def celsius_from(self, field: str = "") -> TemperatureUnit:
        """The unit of what is sent; "c" for what is no temperature. ValueError when the record or the field is unclear.

        A field whose name says another unit than the record is a doubt, and refused.
        """
        if self.quantity != "temperature":
            return "c"
        unit = unit_of(self.unit)
        said = header_unit(field)[1] if field else None
        if said is not None and said != unit:
            raise ValueError(f"field {shown(field)} names another unit than the record of {self.code} ({self.unit})")
        return unit


@dataclass(frozen=True, slots=True)
class Rule:
    """A mapping rule. With `sensor` it takes one series, all of whose tags it names; with `sensor_tag` the tag's value
    names the sensor of each series that it fits; with neither, it ignores what it fits. Empty words fit anything."""

    measurement: str = ""
    tags: tuple[tuple[str, str], ...] = ()
    field: str = ""
    sensor: str = ""
    sensor_tag: str = ""
    made: str = ""  # orders rules that are equally particular: the newest first

    @property
    def ignores(self) -> bool:
        """True when what it fits is dropped."""
        return not self.sensor and not self.sensor_tag

    def fits(self, series: Series) -> bool:
        """True when it speaks of the series."""
        if self.sensor:
            return (self.measurement, self.tags, self.field) == (series.measurement, series.tags, series.field)
        if self.measurement not in ("", series.measurement) or self.field not in ("", series.field):
            return False
        held = dict(series.tags)
        return all(held.get(key) == value for key, value in self.tags) and (
            not self.sensor_tag or self.sensor_tag in held
        )


def in_turn(rules: Iterable[Rule]) -> tuple[Rule, ...]:
    """Rules in the order in which they are asked: the more particular first, one that takes before one that ignores."""
    newest_first = sorted(rules, key=lambda r: r.made, reverse=True)
    return tuple(sorted(newest_first, key=lambda r: (not r.sensor, -_words(r), r.ignores)))


def _words(rule: Rule) -> int:
    return bool(rule.measurement) + bool(rule.field) + len(rule.tags) + bool(rule.sensor_tag)


@dataclass(frozen=True, slots=True)
class Verdict:
    """Where a series goes: to a sensor, nowhere (ignored by rule), or into the discovery list when both are empty."""

    target: Target | None = None
    is_ignored: bool = False


@dataclass(frozen=True, slots=True)
class SiteNames:
    """The names of a site's sensors (id, code, alias) and its rules in turn."""

    sensors: Mapping[str, Target]
    rules: Sequence[Rule] = ()

    def place(self, series: Series) -> Verdict:
        """Where the series goes by the rules alone."""
        for rule in self.rules:
            if not rule.fits(series):
                continue
            if rule.ignores:
                return Verdict(is_ignored=True)
            found = self.sensors.get(rule.sensor or dict(series.tags).get(rule.sensor_tag, ""))
            if found is not None:
                return Verdict(found)
        return Verdict()

    def place_all(self, measurement: str, tags: Mapping[str, str], fields: Iterable[str]) -> dict[Series, Verdict]:
        """Where each field of a point goes. The tag `sensor` names the sensor of the point's one value."""
        ordered = tuple(sorted(tags.items()))
        found = {(s := Series(measurement, ordered, name)): self.place(s) for name in fields}
        named = self.sensors.get(tags.get(SENSOR_TAG, ""))
        if named is None:
            return found
        value = value_field([s.field for s in found], named.quantity)
        return {s: Verdict(named) if s.field == value else verdict for s, verdict in found.items()}


def value_field(fields: Sequence[str], quantity: str) -> str | None:
    """The field that holds the reading of a point whose sensor is named: `value`, the quantity's name, or the only one.

    None when several could be meant.
    """
    if len(fields) == 1:
        return fields[0]
    for names in (("value",), (quantity,), VALUE_NAMES if quantity == "temperature" else ()):
        meant = [f for f in fields if f.lower() in names or header_unit(f)[0] in names]
        if len(meant) == 1:
            return meant[0]
    return None


def is_readable(written: str) -> bool:
    """True when a field as written could be a reading: a number, a truth, or a text that a number stands in."""
    try:
        value_of(written, "c")
    except ValueError:
        return False
    return True


def value_of(written: str, unit: TemperatureUnit) -> float | None:
    """A field's value, temperatures in degrees Celsius, true as 1; None where nothing was measured.

    ValueError with the reason for what is no number.
    """
    number = NUMERIC.fullmatch(written)
    if number:
        return number_to_celsius(number[1], unit)
    if written in _TRUE:
        return 1.0
    if written in _FALSE:
        return 0.0
    return ValueReader(unit).read(written[1:-1])


def stored_value(value: float | None, unit: TemperatureUnit) -> float | None:
    """A value that waited as it was sent, in degrees Celsius."""
    return None if value is None else number_to_celsius(repr(value), unit)
