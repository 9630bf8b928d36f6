"""The port through which a run touches the world."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

DONE, FAILED, WAITING = "done", "failed", "waiting"


@dataclass(frozen=True, slots=True)
class Result:
    """What came of a call: `done`, `failed`, or `waiting` for a person who follows `instruction`."""

    status: str
    detail: str = ""
    instruction: str = ""
    receipt: str = ""


class Actuator(Protocol):
    """Something that performs a call of a step. It must not raise for a failure: a failure is a result."""

    def perform(self, kind: str, target: str, parameters: Mapping[str, str], *, key: str) -> Result:
        """Do it. `key` is the same for the same step and phase of a run, so that a repeat is recognised."""
        ...


class ByKind:
    """Sends each call to the actuator registered for its kind, and the rest to another one."""

    def __init__(self, known: Mapping[str, Actuator], otherwise: Actuator) -> None:
        self._known, self._otherwise = dict(known), otherwise

    def perform(self, kind: str, target: str, parameters: Mapping[str, str], *, key: str) -> Result:
        """Do it through the one that knows the kind."""
        return self._known.get(kind, self._otherwise).perform(kind, target, parameters, key=key)
