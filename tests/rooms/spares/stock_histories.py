"""Random lives of units among two hubs and a site, with what must hold after each event."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import timedelta
from itertools import pairwise
from uuid import UUID, uuid4

from tests.conftest import START
from tests.rooms.spares.network import a_hub, a_lane, a_part, system, the_site
from waystation.kernel import states
from waystation.kernel.refusals import Refusal
from waystation.spares import models as m
from waystation.spares.actions import hold, returns, stock, travel
from waystation.spares.actions.sourcing import Need, source

UNITS, EVENTS = 3, 22


class StockHistory:
    """Units of one history, the hubs between which they move, and the verbs that chance picks from."""

    def __init__(self, seed: int) -> None:
        self.chance, self.now, self.by = random.Random(seed), START, system()
        self.hubs = [a_hub(), a_hub("madrid", "central")]
        if not m.Lane.objects.exists():
            a_lane(self.hubs[0], 90)
        self.serials = [f"H{seed}-{n}" for n in range(UNITS)]
        self.units: list[UUID] = []
        self.done = 0
        self.verbs: list[Callable[[UUID], object]] = [
            self.check,
            self.reserve,
            self.release,
            self.take_over,
            self.source,
            self.move,
            self.move,
            self.install,
            self.fail,
            self.start_return,
            self.take_back,
            self.wipe,
            self.repair,
            self.restock,
            self.lose,
            self.find,
            self.transfer,
            self.expire,
        ]

    def live(self) -> None:
        """Receive the units, then one event after another; each is done or refused, never half."""
        part = a_part()
        for serial in self.serials:
            self.units.append(stock.receive(self.by, part.pk, serial, self.hub().pk, now=self.now).pk)
        for _ in range(EVENTS):
            self.now += timedelta(minutes=self.chance.choice([0, 1, 60, 800]))
            unit = self.chance.choice(self.units)
            try:
                self.chance.choice(self.verbs)(unit)
                self.done += 1
            except Refusal as refused:
                assert refused.code
                assert refused.message
            self.check_books()

    def check_books(self) -> None:
        """Every unit is there once, in one place, with one state that its custody shows and the machine allows."""
        rows = list(m.Unit.objects.filter(serial__in=self.serials))
        assert sorted(u.serial for u in rows) == self.serials, "a unit vanished or was made"
        for unit in rows:
            assert unit.hub_id is None or unit.site_id is None, "a unit is in two places"
            assert unit.state in ("in_transit", "returning", "lost", "disposed") or unit.hub_id or unit.site_id, (
                unit.state
            )
            lived = list(m.Custody.objects.filter(unit=unit).order_by("at", "id").values_list("state", flat=True))
            assert lived[-1] == unit.state, "custody and unit disagree"
            for before, after in pairwise(lived):
                assert before == after or after in states.UNIT[before], f"{before} to {after} is no step"
            held = m.Reservation.objects.filter(unit=unit, state="held").count()
            assert held <= 1, "two reservations hold one unit"
            assert held == 1 or unit.state != "reserved", "reserved for nobody"
            on_its_way = m.Dispatch.objects.filter(unit=unit, ended_at=None).count()
            assert on_its_way <= 1, "one unit in two dispatches"
            assert m.Return.objects.filter(unit=unit, ended_at=None).count() == (unit.state == "returning")

    def hub(self) -> m.Hub:
        return self.chance.choice(self.hubs)

    def held(self, unit: UUID) -> m.Reservation:
        found = m.Reservation.objects.filter(unit_id=unit, state="held").first()
        return found or m.Reservation(id=uuid4())

    def check(self, unit: UUID) -> object:
        return stock.check(self.by, unit, self.chance.random() < 0.8, now=self.now)

    def reserve(self, unit: UUID) -> object:
        return hold.reserve(self.by, unit, uuid4(), now=self.now, site_id=the_site().pk)

    def release(self, unit: UUID) -> object:
        return hold.release(self.by, self.held(unit).pk, reason="repaired on site", now=self.now)

    def take_over(self, unit: UUID) -> object:
        return hold.take_over(
            self.by, self.held(unit).pk, uuid4(), reason="worse there", now=self.now, site_id=the_site().pk
        )

    def source(self, unit: UUID) -> object:
        limit = self.now + timedelta(hours=10)
        return source(self.by, Need(uuid4(), the_site().pk, part_id=a_part().pk, limit_at=limit), now=self.now)

    def move(self, unit: UUID) -> object:
        sent = m.Dispatch.objects.filter(unit_id=unit).order_by("-planned_at").first()
        verb = self.chance.choice([travel.pick, travel.ship, travel.deliver])
        return verb(self.by, sent.pk if sent else uuid4(), now=self.now)

    def install(self, unit: UUID) -> object:
        return travel.install(self.by, unit, now=self.now)

    def fail(self, unit: UUID) -> object:
        return returns.mark_failed(self.by, unit, reason="dead", now=self.now)

    def start_return(self, unit: UUID) -> object:
        return returns.start_return(self.by, unit, now=self.now)

    def take_back(self, unit: UUID) -> object:
        return returns.receive_return(self.by, unit, self.hub().pk, now=self.now)

    def wipe(self, unit: UUID) -> object:
        return returns.wipe(self.by, unit, certificate="W-1", now=self.now)

    def repair(self, unit: UUID) -> object:
        return returns.repair(self.by, unit, note="new relay", now=self.now)

    def restock(self, unit: UUID) -> object:
        verb = self.chance.choice([returns.release_to_stock, returns.release_to_stock, returns.dispose])
        m.Unit.objects.filter(pk=unit).update(wiped_by=uuid4())  # another person wiped it
        return verb(self.by, unit, reason="examined", now=self.now)

    def lose(self, unit: UUID) -> object:
        if self.chance.random() < 0.7:
            return None
        return stock.mark_lost(self.by, unit, reason="not on the shelf", now=self.now)

    def find(self, unit: UUID) -> object:
        return stock.found(self.by, unit, self.hub().pk, now=self.now)

    def transfer(self, unit: UUID) -> object:
        return stock.transfer(self.by, unit, self.hub().pk, now=self.now)

    def expire(self, unit: UUID) -> object:
        return hold.expire_due(self.by, now=self.now)


def stock_history(seed: int) -> int:
    """One history; how many of its events were done."""
    history = StockHistory(seed)
    history.live()
    return history.done
