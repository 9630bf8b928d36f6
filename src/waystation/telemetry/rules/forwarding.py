"""Whether an alarm reached somebody in time. Queued is not delivered; an acknowledgement from before is none."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

ForwardingVerdict = Literal["in_time", "late_notification", "not_notified", "not_acknowledged", "late_acknowledgement"]


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt to tell somebody, and its result (`delivered`, `queued`, `failed`...)."""

    at_s: float
    result: str


@dataclass(frozen=True, slots=True)
class Forwarding:
    """How long telling and acknowledging took, in seconds since the alarm was raised."""

    notified_in_s: float | None
    acked_in_s: float | None
    verdict: ForwardingVerdict


def judge_forwarding(
    raised_at_s: float, notify_limit_s: float, ack_limit_s: float, attempts: Iterable[Attempt], ack_at_s: float | None
) -> Forwarding:
    """The alarm's way to a person; exactly at a limit is in time."""
    delivered = [a.at_s for a in attempts if a.result == "delivered" and a.at_s >= raised_at_s]
    notified = min(delivered) - raised_at_s if delivered else None
    acked = ack_at_s - raised_at_s if ack_at_s is not None and ack_at_s >= raised_at_s else None
    return Forwarding(notified, acked, _verdict(notified, acked, notify_limit_s, ack_limit_s))


def _verdict(
    notified: float | None, acked: float | None, notify_limit_s: float, ack_limit_s: float
) -> ForwardingVerdict:
    if notified is None:
        return "not_notified"
    if notified > notify_limit_s:
        return "late_notification"
    if acked is None:
        return "not_acknowledged"
    return "late_acknowledgement" if acked > ack_limit_s else "in_time"
