"""Time-stamps of heads (RFC 3161): asked for hourly and for each pack, kept beside the head, awaited by nothing.

An authority that does not answer stops nothing. Since when the log grew without a stamp is worked out from what stands
in the tables.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256

from django.conf import settings

from waystation.evidence import sequencer
from waystation.evidence.models import Checkpoint, StampState, TimeStamp
from waystation.evidence.ports import Carried, NoAnswer, TimeStamper
from waystation.evidence.verifier.stamp import UNUSABLE, Stamp

EVERY = timedelta(hours=1)
LATE = timedelta(minutes=75)
RETRY = timedelta(minutes=1)
_SHA256 = bytes.fromhex("300d06096086480165030402010500")


@dataclass(frozen=True, slots=True)
class Stamped:
    """How a log stands with its authority: the newest stamp's time, since when heads lack one, and the trouble."""

    log: str
    stamped_at: datetime | None
    since: datetime | None
    trouble: str


def request_for(text: bytes) -> bytes:
    """TimeStampReq (DER) over the SHA-256 of a head's signed text, asking for certificates; always the same bytes."""
    imprint = _SHA256 + b"\x04\x20" + sha256(text).digest()
    body = b"\x02\x01\x01" + bytes([0x30, len(imprint)]) + imprint + b"\x01\x01\xff"
    return bytes([0x30, len(body)]) + body


def signed_text(head: Checkpoint) -> bytes:
    """The text of a head that log, witnesses and authority sign."""
    return (head.note.partition("\n\n")[0] + "\n").encode()


def ask_due(now: datetime, stamper: TimeStamper | None) -> int:
    """Have the newest head of each log stamped whose last stamp is an hour old; returns how many stamps came.

    While somebody carries the question of one head, its answer is looked for, and no other head is asked about.
    """
    if stamper is None:
        return 0
    done = 0
    for log in sequencer.logs():
        newest = TimeStamp.objects.filter(log=log).order_by("-size").first()
        state = StampState.objects.filter(log=log).first()
        is_due = newest is None or now - newest.at >= EVERY
        if is_due and (state is None or not state.trouble or now - state.asked_at >= RETRY):
            done += ask(log, _carried(state) or sequencer.newest_checkpoint(log), now, stamper)
    return done


def ask(log: str, head: Checkpoint | None, now: datetime, stamper: TimeStamper | None) -> bool:
    """Have one head stamped, unless it is; what goes wrong is kept in the state and never raised."""
    if stamper is None or head is None or TimeStamp.objects.filter(checkpoint=head).exists():
        return False
    text = signed_text(head)
    try:
        answer = stamper.stamp(request_for(text))
        stamp = Stamp.read(answer)
        if stamp.imprint != sha256(text).digest():
            raise NoAnswer(f"{stamper.name} stamped something else")
        stamped_at = datetime.fromisoformat(stamp.at)
    except (NoAnswer, *UNUSABLE) as error:
        words = str(error) if isinstance(error, NoAnswer) else f"{stamper.name} gave no time-stamp: {error}"
        StampState.objects.update_or_create(log=log, defaults={"asked_at": now, "trouble": words[:400]})
        if isinstance(error, Carried):
            StampState.objects.filter(log=log, carried=None).update(carried=head.size)
        return False
    StampState.objects.update_or_create(log=log, defaults={"asked_at": now, "trouble": ""})
    StampState.objects.filter(log=log, carried=head.size).update(carried=None)
    row = TimeStamp(
        checkpoint=head,
        log=log,
        size=head.size,
        authority=stamper.name[:254],
        answer=answer,
        stamped_at=stamped_at,
        at=now,
    )
    TimeStamp.objects.bulk_create([row], ignore_conflicts=True)
    return True


def _carried(state: StampState | None) -> Checkpoint | None:
    """The head whose question somebody carries."""
    if state is None or state.carried is None:
        return None
    return Checkpoint.objects.filter(log=state.log, size=state.carried, stamps=None).first()


def standing(log: str, now: datetime) -> Stamped:
    """How a log stands; without an authority in the settings nothing is late."""
    newest = TimeStamp.objects.filter(log=log).order_by("-size").first()
    state = StampState.objects.filter(log=log).first()
    bare = Checkpoint.objects.filter(log=log, size__gt=newest.size if newest else 0, at__lt=now - LATE)
    since = bare.order_by("size").values_list("at", flat=True).first() if settings.TIME_STAMPER else None
    return Stamped(log, newest.stamped_at if newest else None, since, state.trouble if state else "")


def answer_for(head: Checkpoint) -> bytes | None:
    """The authority's answer over a head; None when it has none."""
    held = TimeStamp.objects.filter(checkpoint=head).values_list("answer", flat=True).first()
    return None if held is None else bytes(held)
