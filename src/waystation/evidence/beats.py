"""Who runs which loop, and when it was last alive."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import transaction

from waystation.evidence.models import LoopBeat


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


def release(loop: str, holder: str, leased_at: datetime) -> None:
    """Give back a lease taken at that instant, without saying that the loop was alive."""
    mine = LoopBeat.objects.filter(loop=loop, holder=holder)
    mine.filter(at__gte=leased_at).delete()
    mine.update(leased_until=leased_at)
