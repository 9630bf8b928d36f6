"""What common devices say under which object, by name: the UPS-MIB (RFC 1628), Eaton's XUPS-MIB, Geist's Watchdog.

A name stands for the words behind it and may be written out instead. `only` is an object that must hold one of these
values for the reading to mean what its name says, such as the unit that somebody set at the device.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

_UPS, _EATON, _GEIST = "1.3.6.1.2.1.33.1", "1.3.6.1.4.1.534.1", "1.3.6.1.4.1.21239.5.1"


@dataclass(frozen=True, slots=True)
class Known:
    """An object with its conversion, and what must hold for it."""

    words: str
    only: tuple[str, frozenset[int]] | None = None


_IN_CELSIUS = (f"{_GEIST}.1.7.0", frozenset({1}))
KNOWN: Mapping[str, Known] = {
    # RFC 1628: output source other(1) none(2) normal(3) bypass(4) battery(5) booster(6) reducer(7)
    "ups.mains": Known(f"{_UPS}.4.1.0 is 3, 4, 6, 7 unless 1"),
    # battery status unknown(1) normal(2) low(3) depleted(4)
    "ups.low": Known(f"{_UPS}.2.1.0 is 3, 4 unless 1"),
    "ups.runtime_s": Known(f"{_UPS}.2.3.0 * 60 unless -1"),
    "ups.charge": Known(f"{_UPS}.2.4.0 unless -1"),
    "ups.battery_v": Known(f"{_UPS}.2.5.0 / 10"),
    "ups.load_pct": Known(f"{_UPS}.4.4.1.5.1"),
    # XUPS-MIB: output source other(1) none(2) normal(3) bypass(4) battery(5), then kinds of normal
    "eaton.mains": Known(f"{_EATON}.4.5.0 is 3, 4, 6, 7, 8, 9, 10, 11, 12 unless 1"),
    "eaton.runtime_s": Known(f"{_EATON}.2.1.0"),
    "eaton.battery_v": Known(f"{_EATON}.2.2.0"),
    "eaton.charge": Known(f"{_EATON}.2.4.0"),
    "eaton.load_pct": Known(f"{_EATON}.4.1.0"),
    "eaton.temperature": Known(f"{_EATON}.6.1.0"),
    "geist.temperature": Known(f"{_GEIST}.2.1.5.1 / 10", _IN_CELSIUS),
    "geist.humidity": Known(f"{_GEIST}.2.1.6.1"),
    "geist.temperature_2": Known(f"{_GEIST}.4.1.5.2 / 10", _IN_CELSIUS),
    "geist.temperature_3": Known(f"{_GEIST}.4.1.5.3 / 10", _IN_CELSIUS),
}
