"""What the room asks of the outside: ways for a message to leave, to a witness and to a time-stamping authority."""

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
    """A witness or a time-stamping authority could not be reached; the text says why."""


class Carried(NoAnswer):
    """The question was put down for somebody to carry; its answer is awaited."""


class LogKey(Protocol):
    """The key that signs the heads of a log (Ed25519)."""

    def public(self) -> bytes:
        """The 32 bytes of the public half. Raises Unavailable."""
        ...

    def sign(self, message: bytes) -> bytes:
        """64 bytes over the message. Raises Unavailable."""
        ...


class TimeStamper(Protocol):
    """The way to a time-stamping authority (RFC 3161)."""

    @property
    def name(self) -> str:
        """Who it is, as settings and records name it."""
        ...

    def stamp(self, request: bytes) -> bytes:
        """The authority's answer (TimeStampResp, DER) to a TimeStampReq. Raises NoAnswer, or Carried."""
        ...


class WitnessLine(Protocol):
    """The way to one witness."""

    def add_checkpoint(self, body: bytes) -> tuple[int, str]:
        """Status and body of the answer to an add-checkpoint request. Raises NoAnswer."""
        ...
