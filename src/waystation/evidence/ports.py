"""What the room asks of the outside: a way for a message to leave the house, and a way to a witness."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A message as a transport gets it. `key` is the same for every attempt."""

    key: str
    recipient: str
    subject: str
    body: str
    data: Mapping[str, Any]


class NotSent(Exception):
    """The transport refused or did not answer; the text says why. The message is tried again."""


class Transport(Protocol):
    """One kind of notification."""

    def send(self, message: Outgoing) -> str:
        """Hand the message over; returns the other side's receipt. Raises NotSent."""
        ...


class NoAnswer(Exception):
    """A witness could not be reached; the text says why."""


class WitnessLine(Protocol):
    """The way to one witness."""

    def add_checkpoint(self, body: bytes) -> tuple[int, str]:
        """Status and body of the answer to an add-checkpoint request. Raises NoAnswer."""
        ...
