"""Who runs which loop, and when it was last alive."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from django.db import transaction

from waystation.evidence.models import LoopBeat

# without these nobody is warned; whole seconds that each waits between its rounds
VITAL = {
    "judge": timedelta(0),
    "outbox": timedelta(seconds=1),
    "deadlines": timedelta(seconds=5),
    "rounds": timedelta(seconds=30),
}


def lease(loop: str, holder: str, now: datetime, length: timedelta) -> bool:
    """Take or keep the lease of a loop; False when somebody else holds a live one."""
    with transaction.atomic():
        row, _ = LoopBeat.objects.select_for_update().get_or_create(
            loop=loop, defaults={"holder": holder, "at": now, "leased_until": now}
        )
        if row.holder != holder and row.leased_until > now:
            return False
        row.holder, row.leased_until = holder, now + length
        row.save()
    return True


def beat(loop: str, holder: str, now: datetime, length: timedelta) -> None:
    """The loop has done a round."""
    LoopBeat.objects.filter(loop=loop, holder=holder).update(at=now, leased_until=now + length)


def last_beats() -> dict[str, datetime]:
    """When each loop was last alive."""
    return dict(LoopBeat.objects.values_list("loop", "at"))


def alive_at(last: Mapping[str, datetime]) -> datetime | None:
    """Until when the platform is known to have judged and told, of `last_beats`; None when it never did.

    A loop that fails holds up no other, so the newest beat of all would hide it: of the vital ones the latest counts.
    """
    if not last:
        return None
    return min([max(last.values()), *(last[loop] + every for loop, every in VITAL.items() if loop in last)])


def release(loop: str, holder: str, leased_at: datetime) -> None:
    """Give back a lease taken at that instant, without saying that the loop was alive."""
    mine = LoopBeat.objects.filter(loop=loop, holder=holder)
    mine.filter(at__gte=leased_at).delete()
    mine.update(leased_until=leased_at)
