"""What a circuit's provider is told to send somebody: everything from the record, nothing to type again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Dispatch:
    """A message to a provider: to whom, what, and which of its lines the record leaves blank."""

    to: str
    phone: str
    subject: str
    body: str
    blank: tuple[str, ...]


def dispatch(to: str, phone: str, what: str, lines: Mapping[str, str]) -> Dispatch:
    """The message about a circuit: `what` is its subject, `lines` are its facts by name, empty where none is recorded.

    A blank line stays in the text, as `not recorded`, so that the provider asks for it.
    """
    told = {name: " ".join(value.split()) for name, value in lines.items()}
    body = "\n".join(f"{name}: {value or 'not recorded'}" for name, value in told.items())
    blank = tuple(name for name, value in {"E-mail": to, "Phone": phone, **told}.items() if not value)
    return Dispatch(to, phone, " ".join(what.split()), body, blank)
