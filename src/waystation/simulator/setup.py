"""Put a network into the product as its people would: through the product's own actions, each under its own authority.

The platform only makes the first administrator; the administrator makes people, machines and inventory; quality
approves profiles and binds probes; the supervisor signs the sites into life. All of it is one transaction.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from django.db import transaction

from waystation.access import actions as access
from waystation.access import queries as principals
from waystation.kernel.authority import Authority
from waystation.kernel.refusals import NotFound, NotReady
from waystation.registry import actions as registry
from waystation.simulator.gateways import device_key
from waystation.simulator.network import DevicePlan, Network, SensorPlan, SitePlan, SpacePlan
from waystation.simulator.week import hours_record, record_of, spans_of
from waystation.telemetry.actions import probes

REPORT_S = 300  # gateways send every five minutes while nothing is wrong, every minute while something is
_VENDOR = ("code", "name", "kind", "email", "response_h", "contract_until", "certificate_until", "phone")
_SITE = ("code", "name", "tier_inputs", "city", "country", "lat", "lon", "zone", "cluster", "hazards")
_SPACE = ("code", "name", "kind", "capacity_l", "mapping_report", "mapping_due", "hot_point", "cold_point")
_CIRCUIT = ("code", "path", "medium", "account", "contract_until", "dispatch_phone", "target_availability_pct")
_SENSOR = ("code", "name", "quantity", "unit", "role", "position", "interval_s", "resolution")
_RANGE = ("low_possible", "high_possible")


@dataclass
class Built:
    """Ids by the names of the document. Spaces and devices are `site/name`; `refused` is what the product declined."""

    people: dict[str, UUID] = field(default_factory=dict)
    sites: dict[str, UUID] = field(default_factory=dict)
    machines: dict[str, UUID] = field(default_factory=dict)
    spaces: dict[str, UUID] = field(default_factory=dict)
    devices: dict[str, UUID] = field(default_factory=dict)
    sensors: dict[str, UUID] = field(default_factory=dict)
    parts: dict[str, UUID] = field(default_factory=dict)
    vendors: dict[str, UUID] = field(default_factory=dict)
    profiles: dict[str, UUID] = field(default_factory=dict)
    models: dict[str, UUID] = field(default_factory=dict)
    model_of_part: dict[str, UUID] = field(default_factory=dict)
    refused: list[tuple[str, NotReady]] = field(default_factory=list)


def build(network: Network, *, now: datetime, seed: int, passwords: Mapping[str, str] | None = None) -> Built:
    """Make everything of the document that registry, access and telemetry hold.

    `passwords` opens accounts by a person's code; the others wait for a welcome link. Conflict when something of
    that name is there already; then nothing is made.
    """
    with transaction.atomic():
        return _Builder(network, now, seed, passwords or {}).run()


class _Builder:
    def __init__(self, network: Network, now: datetime, seed: int, passwords: Mapping[str, str]) -> None:
        self._network, self._raw, self._now, self._seed = network, network.raw, now, seed
        self._passwords = passwords
        self._built = Built()
        self._rows: dict[tuple[str, str], Any] = {}

    def run(self) -> Built:
        self._people()
        self._catalogue()
        for plan in self._network.sites:
            self._site(plan)
        for person in self._raw["people"]:
            self._grant(person, [s for s in person["sites"] if s in self._built.sites])
        for plan in self._network.sites:
            self._calibrate(plan)
            self._open(plan)
        return self._built

    def _acting(self, role: str) -> Authority:
        """The live authority of the first person in the role, whoever that is in this network."""
        people = principals.people_in_role(role, None, self._now)
        if not people:
            raise NotFound("simulator.nobody", f"Nobody is {role} in this network.", "Add such a person to its file.")
        return principals.authority_of_person(people[0], self._now)

    def _people(self) -> None:
        system = principals.system_authority("setup")
        raw = self._raw["people"]
        first = next((p for p in raw if "administrator" in p["roles"]), None)
        if first is None:
            raise NotFound("simulator.nobody", "Nobody is administrator in this network.", "Add one to its file.")
        self._person(system, first)
        access.grant_role(system, self._built.people[first["code"]], "administrator", now=self._now)
        self._admin = self._acting("administrator")
        for person in raw:
            if person is not first:
                self._person(self._admin, person)
                if not person["sites"]:
                    self._grant(person, [])
            shifts: list[dict[str, object]] = [hours_record(person["zone"], spans_of(person["shifts"]))]
            access.set_schedule(
                self._admin,
                self._built.people[person["code"]],
                shifts=shifts,
                qualifications=person["qualifications"],
                now=self._now,
            )

    def _person(self, by: Authority, person: Mapping[str, Any]) -> None:
        made = access.create_person(
            by,
            email=person["email"],
            name=person["name"],
            phone=person["phone"],
            employer=person["employer"],
            password=self._passwords.get(person["code"]),
            now=self._now,
        )
        self._built.people[person["code"]] = made.pk

    def _grant(self, person: Mapping[str, Any], sites: list[str]) -> None:
        key = self._built.people[person["code"]]
        for role in person["roles"]:
            if role == "administrator" or bool(person["sites"]) != bool(sites):
                continue
            where: list[UUID | None] = [self._built.sites[site] for site in sites]
            for site_id in where or [None]:
                access.grant_role(self._admin, key, role, site_id=site_id, now=self._now)

    def _catalogue(self) -> None:
        raw = self._raw
        self._make("network", raw["network"]["slug"], raw["network"])
        for row in raw["service_classes"]:
            self._make("service_class", row["code"], row)
        quality = self._acting("quality")
        for row in raw["product_profiles"]:
            profile = self._make("product_profile", row["code"], row)
            reason = f"edition {row['edition']} as the label says; source to be read before it is quoted"
            registry.approve_profile(quality, profile.pk, now=self._now, reason=reason)
        for row in raw["templates"]:
            template = self._make("template", row["kind"], row)
            registry.publish_template(self._admin, template.pk, now=self._now)
        for row in raw["vendors"]:
            self._make(
                "vendor",
                row["code"],
                {name: row[name] for name in _VENDOR} | {"support_hours": record_of(row["support_hours"])},
            )
        for row in raw["device_models"]:
            self._make("device_model", row["name"], row)
        for row in raw["parts"]:
            model = self._rows["device_model", row["model"]] if row["model"] else None
            self._make("part", row["code"], row | {"model": model})
            if model is not None:
                self._built.models[row["model"]] = self._built.model_of_part[row["code"]] = model.pk
        for kind, into in (
            ("vendor", self._built.vendors), ("part", self._built.parts), ("product_profile", self._built.profiles)
        ):  # fmt: skip
            into |= {code: made.pk for (of, code), made in self._rows.items() if of == kind}

    def _make(self, kind: str, code: str, values: Mapping[str, Any]) -> Any:
        row = registry.create(self._admin, kind, values, now=self._now)
        self._rows[kind, code] = row
        return row

    def _site(self, plan: SitePlan) -> None:
        raw = plan.raw
        site = self._make(
            "site",
            plan.code,
            {name: raw[name] for name in _SITE}
            | {
                "network": self._rows["network", self._raw["network"]["slug"]],
                "template": self._rows["template", plan.kind],
                "service_class": self._rows["service_class", raw["service_class"]],
                "local_support": raw["local_support"],
                "report_s": REPORT_S,
                "access_hours": record_of(raw["access_hours"]),
            },
        )
        self._built.sites[plan.code] = site.pk
        for space in plan.spaces:
            self._space(site, plan, space)
        self._gateway(plan)
        for device in plan.devices:
            self._device(site, plan, device)
        for sensor in plan.all_sensors():
            self._sensor(site, plan, sensor)
        for circuit in raw["circuits"]:
            vendor = self._rows["vendor", circuit["vendor"]]
            values = {name: circuit[name] for name in _CIRCUIT} | {"site": site, "vendor": vendor}
            self._make("circuit", circuit["code"], values)
        for owner in raw["owners"]:
            vendor = self._rows["vendor", owner["vendor"]] if owner["vendor"] else None
            person = self._built.people[owner["person"]] if owner["person"] else None
            values = {"dependency": owner["dependency"], "escalation": owner["escalation"]}
            values |= {"site": site, "vendor": vendor, "person_id": person}
            self._make("owner", f"{plan.code}/{owner['dependency']}", values)

    def _space(self, site: Any, plan: SitePlan, space: SpacePlan) -> None:
        values = {name: space.raw[name] for name in _SPACE} | {
            "site": site,
            "profile": self._rows["product_profile", space.profile] if space.profile else None,
            "not_instrumented": space.raw["not_instrumented"],
            "thermal": thermal_of(plan, space),
        }
        self._built.spaces[space.key] = self._make("space", space.key, values).pk

    def _gateway(self, plan: SitePlan) -> None:
        key = device_key(self._seed, plan.code).public_key().public_bytes_raw().hex()
        machine, _ = access.create_machine(
            self._admin,
            name=f"gateway {plan.code}",
            role="gateway",
            site_id=self._built.sites[plan.code],
            public_key=key,
            now=self._now,
        )
        self._built.machines[plan.code] = machine.pk

    def _device(self, site: Any, plan: SitePlan, device: DevicePlan) -> None:
        values = {
            "site": site,
            "space": self._rows["space", f"{plan.code}/{device.space}"] if device.space else None,
            "name": device.name,
            "component_class": device.component_class,
            "model": self._rows["device_model", device.model],
            "part": self._rows["part", device.part] if device.part else None,
            "serial": device.serial,
            "firmware": device.firmware,
            "zone": device.zone,
            "machine_id": self._built.machines[plan.code] if device.component_class == "gateway" else None,
        }
        self._built.devices[f"{plan.code}/{device.name}"] = self._make(
            "device", f"{plan.code}/{device.name}", values
        ).pk

    def _sensor(self, site: Any, plan: SitePlan, sensor: SensorPlan) -> None:
        values = {name: getattr(sensor, name) for name in (*_SENSOR, *_RANGE)} | {
            "site": site,
            "space": self._rows["space", f"{plan.code}/{sensor.space}"] if sensor.space else None,
            "device": self._rows["device", f"{plan.code}/{sensor.device}"] if sensor.device else None,
        }
        self._built.sensors[sensor.code] = self._make("sensor", sensor.code, values).pk

    def _calibrate(self, plan: SitePlan) -> None:
        quality = self._acting("quality")
        for sensor in plan.all_sensors():
            if sensor.probe is not None:
                try:
                    self._bind(quality, sensor, sensor.probe)
                except NotReady as refusal:
                    self._built.refused.append((sensor.code, refusal))

    def _bind(self, by: Authority, sensor: SensorPlan, probe: Mapping[str, Any]) -> None:
        probes.bind_probe(
            by,
            self._built.sensors[sensor.code],
            probe_serial=probe["serial"],
            certificate=probe["certificate"],
            laboratory=probe["laboratory"],
            valid_from=_midnight(probe["valid_from"]),
            valid_until=_midnight(probe["valid_until"]),
            uncertainty_c=probe["uncertainty_c"],
            now=self._now,
        )

    def _open(self, plan: SitePlan) -> None:
        site_id = self._built.sites[plan.code]
        if plan.state != "planned":
            registry.set_site_state(self._admin, site_id, "commissioning", now=self._now)
        if plan.state == "active":
            reason = "accepted with every check shown"
            registry.set_site_state(self._acting("supervisor"), site_id, "active", now=self._now, reason=reason)


def thermal_of(site: SitePlan, space: SpacePlan) -> dict[str, float]:
    """What the product is told of a space's heat: credible bands, never the simulator's own parameters."""
    thermal, indoor_c = space.thermal, site.climate["indoor_c"]
    swing_c = site.climate["swing_c"]
    likely_s = thermal.time_constant_s(0.8 * thermal.product_kg)
    return {
        "time_constant_h": round(likely_s / 3600, 1),
        "accuracy_c": 0.3,
        "time_constant_low_s": round(thermal.time_constant_s(0.5 * thermal.product_kg), -2),
        "time_constant_s": round(likely_s, -2),
        "time_constant_high_s": round(1.25 * thermal.time_constant_s(), -2),
        "ambient_low_c": indoor_c - swing_c - 1.0,
        "ambient_c": indoor_c,
        "ambient_high_c": indoor_c + swing_c + 2.0,
    }


def _midnight(day: str) -> datetime:
    return datetime.fromisoformat(day).replace(tzinfo=UTC)


def known_machines() -> dict[str, UUID]:
    """The gateways that a demo enrolled, by site code."""
    lead = "gateway "
    return {m.name.removeprefix(lead): m.pk for m in principals.machines() if m.name.startswith(lead)}
