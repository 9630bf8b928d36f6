"""Loads what hubs, product and alarms hold of a network's document, through the actions of those rooms."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from waystation.access import queries as principals
from waystation.alarms import actions as alarms
from waystation.kernel.authority import Authority
from waystation.kernel.refusals import NotFound
from waystation.product.actions import lots, moves
from waystation.runbooks import actions as runbooks
from waystation.simulator import stock as spec
from waystation.simulator.setup import Built
from waystation.simulator.week import hours_record, spans_of, split_at_midnight
from waystation.spares.actions import setup, stock

ROTATIONS = {"operations": "operator", "backup": "supervisor"}
CLASSES = ("A", "B", "C")
CHAIN: list[dict[str, Any]] = [{"channels": ["local", "hub"]}, {"channels": ["central"]}, {"channels": ["vendor"]}]


def stock_network(raw: Mapping[str, Any], built: Built, *, now: datetime) -> None:
    """Hubs with their stock, spaces with their product, alarms with their people."""
    _Loader(raw, built, now).run()


class _Loader:
    def __init__(self, raw: Mapping[str, Any], built: Built, now: datetime) -> None:
        self._raw, self._built, self._now = raw, built, now

    def run(self) -> None:
        self._hubs()
        self._policy()
        self._units()
        self._product()
        self._alarms()

    def _as(self, role: str) -> Authority:
        people = principals.people_in_role(role, None, self._now)
        if not people:
            raise NotFound("simulator.nobody", f"Nobody is {role} in this network.", "Add such a person to its file.")
        return principals.authority_of_person(people[0], self._now)

    def _hubs(self) -> None:
        planner = self._as("planner")
        self._hub_ids = {
            hub.code: setup.set_up(planner, "hub", self._hub(hub), now=self._now).pk
            for hub in spec.hubs(self._raw)
            if not hub.site or hub.site in self._built.sites
        }
        for lane in spec.lanes(self._raw):
            if lane.site in self._built.sites and lane.hub in self._hub_ids:
                setup.set_up(planner, "lane", self._lane(lane), now=self._now)

    def _hub(self, hub: spec.HubSpec) -> dict[str, Any]:
        return {
            "code": hub.code,
            "name": hub.name,
            "tier": hub.tier,
            "site_id": self._built.sites[hub.site] if hub.site else None,
            "lat": hub.lat,
            "lon": hub.lon,
            "zone": hub.zone,
            "staffing": dict(hub.staffing),
            "pickups": [dict(p) for p in hub.pickups],
            "custodian_id": self._built.people.get(hub.custodian),
        }

    def _lane(self, lane: spec.LaneSpec) -> dict[str, Any]:
        return {
            "hub_id": self._hub_ids[lane.hub],
            "site_id": self._built.sites[lane.site],
            "mode": lane.mode,
            "courier": lane.carrier or "",
            "quantiles": lane.quantiles,
            "source": lane.source,
            "detail": f"{lane.trips} trips" if lane.trips else "",
            "refuses": dict(lane.refuses),
            "cost": Decimal(str(lane.cost_eur)),
        }

    def _policy(self) -> None:
        planner, manager = self._as("planner"), self._as("service_manager")
        for target in spec.targets(self._raw):
            if target.hub not in self._hub_ids:
                continue
            values = {"hub_id": self._hub_ids[target.hub], "group": target.group, "minimum": target.minimum}
            setup.set_up(planner, "target", values | {"maximum": target.target}, now=self._now)
        for code in CLASSES:
            rule = setup.set_up(planner, "sourcing_rule", {"service_class": code, "chain": CHAIN}, now=self._now)
            setup.approve_chain(manager, rule.pk, now=self._now, reason="pre-approved for break-fix")
        for one in self._raw.get("offers", []):
            values = {k: v for k, v in one.items() if k not in ("vendor", "model", "spans", "zone", "cost_eur")}
            values |= {"vendor_id": self._built.vendors[one["vendor"]], "cost": Decimal(str(one["cost_eur"]))}
            values |= {
                "hours": hours_record(one["zone"], spans_of(one["spans"])),
                "model_id": self._built.models[one["model"]],
            }
            setup.set_up(planner, "offer", values, now=self._now)
        self._replacements(planner)

    def _replacements(self, planner: Authority) -> None:
        """Pairs of different models; revisions of one model are told apart by what the part itself needs."""
        for pair in spec.interchangeable(self._raw):
            installed, offered = (self._built.model_of_part.get(p) for p in (pair.installed, pair.offered))
            if installed is None or offered is None or installed == offered:
                continue
            values = {"installed_id": installed, "offered_id": offered, "terms": pair.terms}
            setup.set_up(planner, "replacement", values, now=self._now)

    def _units(self) -> None:
        controller = self._as("stock_controller")
        for unit in spec.units(self._raw):
            if unit.hub not in self._hub_ids:
                continue
            values = {"revision": unit.revision or "", "firmware": unit.firmware or "", "break_glass": unit.break_glass}
            if unit.certificate:
                until = date.fromisoformat(unit.certificate["valid_until"])
                values["certificate"] = str(unit.certificate.get("certificate") or unit.certificate.get("number"))
                values["certificate_until"] = datetime.combine(until, datetime.min.time(), UTC)
            part, hub = self._built.parts[unit.part], self._hub_ids[unit.hub]
            row = stock.receive(controller, part, unit.serial, hub, now=self._now, values=values)
            stock.check(controller, row.pk, True, now=self._now, note="received and tested", image=unit.firmware or "")

    def _product(self) -> None:
        quality = self._as("quality")
        for one in spec.consignments(self._raw):
            if one.space in self._built.spaces:
                quantity = Decimal(str(one.quantity))
                lot = lots.Lot(one.lot, one.product, quantity, one.unit, one.customer or "", one.profile, one.volume_l)
                lots.bring_in(quality, self._built.spaces[one.space], lot, at=self._now, now=self._now)
        for pair in spec.backups(self._raw):
            if pair.space in self._built.spaces and pair.backup in self._built.spaces:
                moves.name_backup(
                    quality,
                    self._built.spaces[pair.space],
                    self._built.spaces[pair.backup],
                    pack_min=[pair.pack_min, pair.pack_min * 1.5],
                    travel_min=[pair.travel_min, pair.travel_min * 1.5],
                    unpack_min=[pair.unpack_min, pair.unpack_min * 1.5],
                    source="reported",
                    now=self._now,
                )

    def _alarms(self) -> None:
        supervisor = self._as("supervisor")
        first_day = (self._now - timedelta(days=self._now.weekday() + 7)).date()
        for rotation in spec.rotations(self._raw):
            role = ROTATIONS.get(rotation.code)
            for person, spans in rotation.shifts if role else ():
                alarms.add_rotation(
                    supervisor,
                    name=f"{rotation.name}, {person}",
                    role=str(role),
                    zone=rotation.zone,
                    people=[self._built.people[person]],
                    first_day=first_day,
                    hours=split_at_midnight(spans),
                    now=self._now,
                )
        runbooks.publish_shipped(self._as("it"), now=self._now)
