"""How the product says no.

    Refusal                       the request is understood and is not done
    ├── PartlyRefused   400       some lines were not taken, the others are kept; names each
    ├── NotSignedIn     401       nobody proved who they are
    ├── NotAllowed      403       this principal may not, somebody else may
    ├── NotFound        404       no such record, or none this principal may see
    ├── BadInput        422       a value cannot be used; names field and value
    ├── Conflict        409       the state of the record forbids it
    ├── NotReady        409       something must happen first (approval, certificate, check)
    ├── TooLarge        413       more was sent than is taken at once
    ├── TooMuch         429       a limit is reached; carries `retry_after_s`
    └── Unavailable     503       the platform cannot do it now; carries `retry_after_s`

Every refusal has a stable `code` (`room.reason`), a message of facts and one next step.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar


class Refusal(Exception):
    """A request that is not carried out, with the reason and what to do next."""

    status: ClassVar[int] = 400

    def __init__(self, code: str, message: str, next_step: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.next_step = next_step

    def as_dict(self) -> dict[str, object]:
        """The one error shape: `{"code", "message", "next_step"}` and what a subclass adds."""
        return {"code": self.code, "message": self.message, "next_step": self.next_step}

    def __str__(self) -> str:
        return f"{self.message} {self.next_step}".strip()


class PartlyRefused(Refusal):
    """Some lines of what was sent were not taken; every other line is kept. `lines` names each with its reason."""

    status = 400

    def __init__(self, code: str, message: str, next_step: str, *, lines: Sequence[Mapping[str, object]] = ()) -> None:
        super().__init__(code, message, next_step)
        self.lines = lines

    def as_dict(self) -> dict[str, object]:
        """The one error shape with `lines`."""
        return {**super().as_dict(), "lines": list(self.lines)}


class NotSignedIn(Refusal):
    """Nobody proved who they are."""

    status = 401


class NotAllowed(Refusal):
    """This principal may not do it; the next step names who may."""

    status = 403


class NotFound(Refusal):
    """There is no such record, or none that this principal may see."""

    status = 404


class BadInput(Refusal):
    """A value cannot be used. Names the field, shows the value."""

    status = 422

    def __init__(self, code: str, message: str, next_step: str = "", *, field: str = "", value: object = None) -> None:
        super().__init__(code, message, next_step)
        self.field = field
        self.value = value

    def as_dict(self) -> dict[str, object]:
        """The one error shape with `field` and `value`."""
        shown = self.value if isinstance(self.value, str | int | bool | None) else str(self.value)
        return {**super().as_dict(), "field": self.field, "value": shown}


class Conflict(Refusal):
    """The state of the record forbids it."""

    status = 409


class NotReady(Refusal):
    """Something else must happen first."""

    status = 409


class TooLarge(Refusal):
    """More was sent than is taken at once."""

    status = 413


class _Later(Refusal):
    def __init__(self, code: str, message: str, next_step: str = "", *, retry_after_s: int = 5) -> None:
        super().__init__(code, message, next_step)
        self.retry_after_s = retry_after_s


class TooMuch(_Later):
    """A limit is reached; try again after `retry_after_s` seconds."""

    status = 429


class Unavailable(_Later):
    """The platform cannot do it now; try again after `retry_after_s` seconds."""

    status = 503


def cannot_record() -> Unavailable:
    """What is told when nothing can be written."""
    return Unavailable(
        "platform.cannot_record",
        "Waystation can't record. Treat all sites as unmonitored.",
        "Agents still alarm on site. Call the platform owner; `waystation doctor` says what is wrong.",
        retry_after_s=15,
    )
