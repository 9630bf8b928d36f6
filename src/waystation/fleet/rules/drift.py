"""Drift: the difference between what is intended for a device and what it says of itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

NAME_PATTERN_HELP = "<site>-<class>-<number>"


@dataclass(frozen=True, slots=True)
class Intended:
    """What the record says of a device."""

    name: str
    serial: str
    model: str
    standing: str  # of the model: approved | deprecated | banned | unreviewed
    firmware_target: str
    firmware_minimum: str
    firmware_blocked: tuple[str, ...]
    config_digest: str
    zone: str


@dataclass(frozen=True, slots=True)
class Observed:
    """What the device said at its last check-in; empty members were not said."""

    serial: str = ""
    model: str = ""
    firmware: str = ""
    config_digest: str = ""


@dataclass(frozen=True, slots=True)
class Difference:
    """One difference: its kind, what is expected and what is there."""

    kind: str
    expected: str
    actual: str


def differences(intended: Intended, observed: Observed | None) -> list[Difference]:
    """Every difference, in a fixed order. A device that never checked in is missing, not fine."""
    found = []
    if observed is None:
        return [Difference("missing_device", "a check-in", "none so far")]
    if observed.serial and observed.serial != intended.serial:
        found.append(Difference("serial", intended.serial, observed.serial))
    if observed.model and observed.model != intended.model:
        found.append(Difference("model", intended.model, observed.model))
    if intended.standing in ("banned", "unreviewed", "deprecated"):
        found.append(Difference("model_standing", "an approved model", f"{intended.model} is {intended.standing}"))
    found += _firmware(intended, observed)
    if observed.config_digest and intended.config_digest and observed.config_digest != intended.config_digest:
        found.append(Difference("configuration", intended.config_digest[:12], observed.config_digest[:12]))
    if not intended.zone:
        found.append(Difference("segmentation", "a zone", "none"))
    return found


def _firmware(intended: Intended, observed: Observed) -> list[Difference]:
    if not observed.firmware:
        return []
    if observed.firmware in intended.firmware_blocked:
        return [Difference("firmware_blocked", intended.firmware_target or "another version", observed.firmware)]
    if intended.firmware_minimum and older(observed.firmware, intended.firmware_minimum):
        return [Difference("firmware", f"{intended.firmware_minimum} or later", observed.firmware)]
    if intended.firmware_target and observed.firmware != intended.firmware_target:
        return [Difference("firmware", intended.firmware_target, observed.firmware)]
    return []


def older(version: str, than: str) -> bool:
    """True when a dotted version sorts before another; parts are compared as numbers where both are."""
    return _parts(version) < _parts(than)


def _parts(version: str) -> list[tuple[int, int, str]]:
    return [(0, int(p), "") if p.isdigit() else (1, 0, p) for p in version.replace("-", ".").split(".")]


def components(wanted: Sequence[str], present: Sequence[str], waived: Sequence[str]) -> dict[str, str]:
    """Each component class of a template as present, waived or absent."""
    have, excused = set(present), set(waived)
    return {c: "present" if c in have else "waived" if c in excused else "absent" for c in wanted}
