"""People at work in a simulated network: hubs pick and ship, couriers carry, technicians swap, responders close.

They act on what the product tells them, through its own actions and under their own authority.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from waystation.incidents import actions as incidents
from waystation.incidents import queries as incident_queries
from waystation.journeys import failed_device
from waystation.kernel.authority import Authority
from waystation.kernel.refusals import Refusal
from waystation.simulator.chance import between_quantiles, stream
from waystation.simulator.events import controller_replaced
from waystation.simulator.player import Player
from waystation.spares import queries as spares
from waystation.spares.actions import travel

PICK_AFTER, HANDOVER = timedelta(minutes=12), timedelta(minutes=4)
OUTCOMES: Mapping[str, str] = {
    "connection": "connection_returned",
    "power": "power_returned",
    "measurement": "sensor_failed",
    "cooling": "part_replaced",
    "device": "part_replaced",
    "late_excursion": "reviewed_by_quality",
}


class Work:
    """What people do when the product tells them of a dispatch or of an incident that is over."""

    def __init__(self, player: Player) -> None:
        self.player = player
        self.world, self.built = player.world, player.built
        self._started: set[UUID] = set()
        self._places = {site_id: code for code, site_id in self.built.sites.items()}
        self.swapped: list[tuple[datetime, str, str]] = []

    def look(self, now: datetime) -> None:
        """Once a minute: start on new dispatches, close what is over."""
        for dispatch in spares.live_dispatches(beside=self._started):
            self._started.add(dispatch.pk)
            self._pick(dispatch, now)
        if now.minute % 10 == 0:
            self._close(now)

    def _technician(self, dispatch: Any) -> Authority:
        code = self.player.codes.get(dispatch.from_hub.custodian_id)
        return self.player.who(code or "rocio-lara")

    def _pick(self, dispatch: Any, now: datetime) -> None:
        """Twelve minutes to the shelf and back, then it leaves by its lane."""

        def pick(at: datetime) -> None:
            travel.pick(self._technician(dispatch), dispatch.pk, now=at)

        def ship(at: datetime) -> None:
            lane = dispatch.lane
            by_courier = lane is not None and lane.mode == "courier"
            number = f"CV{str(dispatch.pk.int)[-9:]}" if by_courier else ""
            sent = travel.ship(
                self._technician(dispatch), dispatch.pk, now=at, carrier="correvia" if by_courier else "", number=number
            )
            self._carry(dispatch, sent.label, by_courier, at)

        self.player.at(now + PICK_AFTER, self._careful(pick))
        self.player.at(now + PICK_AFTER + HANDOVER, self._careful(ship))

    def _carry(self, dispatch: Any, label: str, by_courier: bool, at: datetime) -> None:
        site = self._places[dispatch.to_site_id]
        if by_courier:
            lane = self._lane(dispatch, "courier")
            events = self.world.ship(lane, label, at)
            arrival = max(e.sent_at for e in events if e.kind == "delivered") if events else at + timedelta(hours=8)
        else:
            lane = self._lane(dispatch, dispatch.lane.mode if dispatch.lane else "in_person")
            chance = stream(self.world.seed, "drive", str(dispatch.unit.serial))
            minutes = between_quantiles(lane["p50_min"], lane["p90_min"], chance) if lane else 3.0
            arrival = at + timedelta(minutes=minutes)

            def deliver(when: datetime) -> None:
                travel.deliver(self._technician(dispatch), dispatch.pk, now=when, note="handed over on site")

            self.player.at(arrival, self._careful(deliver))
        install_min = dispatch.unit.part.install_min
        self.player.at(
            arrival + timedelta(minutes=install_min), self._careful(lambda when: self._swap(dispatch, site, when))
        )

    def _lane(self, dispatch: Any, mode: str) -> Mapping[str, Any]:
        site, hub = self._places[dispatch.to_site_id], dispatch.from_hub.code
        rows = self.world.network.raw["lanes"]
        return next((r for r in rows if (r["hub"], r["site"], r["mode"]) == (hub, site, mode)), {})

    def _swap(self, dispatch: Any, site: str, when: datetime) -> None:
        """The qualified person on site installs; the new hardware says who it is."""
        incident = incident_queries.incident(self.player.system, dispatch.incident_id)
        if incident.device_id is None:
            return
        device = failed_device.swap(self._site_contact(site), incident.pk, dispatch.unit_id, now=when)
        at = max(when, self.world.now)
        part = dispatch.unit.part
        model = part.model.name if part.model else part.code
        firmware = device.model.firmware_target or dispatch.unit.firmware
        self.world.replace_device(site, device.name, at, serial=dispatch.unit.serial, model=model, firmware=firmware)
        if device.component_class == "refrigeration_controller" and device.space is not None:
            self.world.script(controller_replaced(site, device.space.code, at))
        self.swapped.append((when, incident.name, dispatch.unit.serial))

    def _site_contact(self, site: str) -> Authority:
        code = str(self.world.network.site(site).raw["contact"])
        return self.player.who(code)

    def _close(self, now: datetime) -> None:
        """A responder ends what is over, with its outcome."""
        for row in incident_queries.open_incidents(self.player.system):
            ready = (not row.needs_service or row.service_restored_at) and (
                not row.needs_product or row.product_safe_at
            )
            if not ready or (row.quality_task_at and not row.quality_done_at) or row.responder_id is None:
                continue
            who = self.player.who(self.player.codes[row.responder_id])
            outcome = self._outcome(row)
            self._careful(
                lambda at, w=who, r=row, o=outcome: incidents.resolve(w, r.pk, outcome=o, now=at, out_of_range=False)
            )(now)

    def _outcome(self, row: Any) -> str:
        if row.group == "cooling" and row.device_id is None:
            return "door_closed"
        return OUTCOMES.get(row.group, "no_fault_found")

    def _careful(self, step: Any) -> Any:
        """A refusal is what people get; it is kept and the day goes on."""

        def careful(at: datetime) -> None:
            try:
                step(at)
            except Refusal as refused:
                self.player.refusals.append((at, str(refused)))

        return careful
