"""Loads what hubs, product and alarms hold of a network's document, through the actions of those rooms."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from waystation.access.queries import authority_of_person, people, person
from waystation.alarms import actions as alarms
from waystation.kernel.authority import Authority
from waystation.product.actions import lots, moves
from waystation.registry import queries as registry
from waystation.registry.models import DeviceModel, Part, Site, Space, Vendor
from waystation.runbooks import actions as runbooks
from waystation.spares.actions import setup, stock

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
DAY_MIN = 1440
Raw = Mapping[str, Any]
Who = Callable[[str], Authority]


def hours(raw: Raw) -> dict[str, Any]:
    """`{"zone", "spans": [[weekday, from, to]]}` as the week that rooms keep; minutes past midnight run into the next day."""
    if not raw or not raw.get("spans"):
        return {}
    week: dict[str, list[list[str]]] = {}
    for weekday, begin, end in raw["spans"]:
        closing = end if end <= DAY_MIN else end - DAY_MIN
        week.setdefault(DAYS[weekday], []).append([_clock(begin), _clock(closing)])
    return {"zone": raw["zone"], "week": week}


def _clock(minutes: int) -> str:
    return f"{minutes // 60:02d}:{minutes % 60:02d}"


def stock_hubs(raw: Raw, who: Who, people_by_code: Mapping[str, UUID], now: datetime) -> None:
    """Hubs, lanes, replacements, targets, chains and units with their certificates."""
    planner, controller = who("planner"), who("stock_controller")
    made = {h["code"]: setup.set_up(planner, "hub", _hub(h, people_by_code), now=now).pk for h in raw["hubs"]}
    sites = {s.code: s.pk for s in Site.objects.all()}
    for lane in raw["lanes"]:
        if lane["site"] in sites:
            setup.set_up(planner, "lane", _lane(lane, made, sites), now=now)
    for pair in raw["interchangeable"]:
        _replacement(planner, pair, now)
    for target in raw["stock"]["targets"]:
        values = {"hub_id": made[target["hub"]], "group": target["group"], "minimum": target["minimum"]}
        setup.set_up(planner, "target", values | {"maximum": target["target"]}, now=now)
    _chains(planner, who("service_manager"), now)
    _offers(planner, now)
    parts = {p.code: p.pk for p in Part.objects.all()}
    for unit in raw["stock"]["units"]:
        values = {"revision": unit["revision"] or "", "firmware": unit["firmware"] or "", "break_glass": bool(unit["break_glass"])}
        row = stock.receive(
            controller, parts[unit["part"]], unit["serial"], made[unit["hub"]], now=now, values=values | _certificate(unit)
        )
        stock.check(controller, row.pk, True, now=now, note="received and tested", image=unit["firmware"] or "")


def _hub(raw: Raw, people_by_code: Mapping[str, UUID]) -> dict[str, Any]:
    moments = [
        {"courier": "correvia", "weekday": DAYS[d], "at": _clock(m)} for d, m in raw.get("courier_cutoffs", {}).get("moments", [])
    ]
    return {
        "code": raw["code"],
        "name": raw["name"],
        "tier": raw["tier"],
        "site_id": registry.site_by_code(raw["site"]).pk if raw["site"] else None,
        "lat": raw["lat"],
        "lon": raw["lon"],
        "zone": raw["zone"],
        "staffing": hours(raw["staffing"]),
        "pickups": moments,
        "custodian_id": people_by_code.get(raw.get("custodian", "")),
    }


def _lane(raw: Raw, hubs: Mapping[str, UUID], sites: Mapping[str, UUID]) -> dict[str, Any]:
    quantiles = [[0.1, raw["p10_min"] * 60], [0.5, raw["p50_min"] * 60], [0.9, raw["p90_min"] * 60]]
    return {
        "hub_id": hubs[raw["hub"]],
        "site_id": sites[raw["site"]],
        "mode": raw["mode"],
        "courier": raw.get("carrier") or "",
        "quantiles": quantiles,
        "source": raw["source"],
        "detail": f"{raw['trips']} trips" if raw.get("trips") else "",
        "refuses": dict(raw.get("refuses") or []),
        "cost": Decimal(str(raw.get("cost_eur", 0))),
    }


def _replacement(by: Authority, raw: Raw, now: datetime) -> None:
    """Parts of one model differ by revision; the terms say which revision needs what."""
    installed, offered = (Part.objects.select_related("model").get(code=raw[k]) for k in ("installed", "offered"))
    if installed.model_id is None or offered.model_id is None or installed.model_id == offered.model_id:
        return
    requires = raw.get("requires")
    terms: dict[str, Any] = {"condition": raw.get("condition") or "", "kit_lines": raw.get("kit_lines") or []}
    if requires:
        terms["requires"] = {requires["component"]: [requires.get("low", ""), requires.get("high", "")]}
    values = {"installed_id": installed.model_id, "offered_id": offered.model_id, "terms": terms}
    setup.set_up(by, "replacement", values, now=now)


def _chains(by: Authority, approver: Authority, now: datetime) -> None:
    for code in ("A", "B", "C"):
        steps: list[dict[str, Any]] = [{"channels": ["local", "hub"]}, {"channels": ["central"]}, {"channels": ["vendor"]}]
        rule = setup.set_up(by, "sourcing_rule", {"service_class": code, "chain": steps}, now=now)
        setup.approve_chain(approver, rule.pk, now=now, reason="pre-approved for break-fix")


def _offers(by: Authority, now: datetime) -> None:
    vendor = Vendor.objects.filter(kind="refrigeration").order_by("code").first()
    model = DeviceModel.objects.filter(component_class="refrigeration_controller").order_by("name").first()
    if vendor is None or model is None:
        return
    values = {
        "vendor_id": vendor.pk,
        "group": "ctl-220",
        "channel": "vendor",
        "model_id": model.pk,
        "hours": hours({"zone": "Europe/Madrid", "spans": vendor.support_hours.get("spans", [])}),
        "quantiles": [[0.5, 5 * 3600], [0.9, 8 * 3600]],
        "source": "reported",
        "cost": Decimal("620"),
    }
    setup.set_up(by, "offer", values, now=now)


def _certificate(unit: Raw) -> dict[str, Any]:
    held = unit.get("certificate")
    if not held:
        return {}
    until = datetime.combine(date.fromisoformat(held["valid_until"]), datetime.min.time(), UTC)
    return {"certificate": held["number"] if "number" in held else held["certificate"], "certificate_until": until}


def stock_spaces(raw: Raw, who: Who, now: datetime) -> None:
    """Consignments in their spaces, and the backup space of each."""
    quality, supervisor = who("quality"), who("supervisor")
    spaces = {f"{s.site.code}/{s.code}": s.pk for s in Space.objects.select_related("site")}
    for one in raw["consignments"]:
        if one["space"] in spaces:
            lot = lots.Lot(
                one["lot"],
                one["product"],
                Decimal(str(one["quantity"])),
                one["unit"],
                one.get("customer", ""),
                one.get("profile", ""),
                one.get("volume_l"),
            )
            lots.bring_in(quality, spaces[one["space"]], lot, at=now, now=now)
    for pair in raw["backup_spaces"]:
        if pair["space"] in spaces and pair["backup"] in spaces:
            minutes = {n: [pair[n], pair[n] * 1.5] for n in ("pack_min", "travel_min", "unpack_min")}
            moves.name_backup(supervisor, spaces[pair["space"]], spaces[pair["backup"]], now=now, source="reported", **minutes)


def staff_alarms(raw: Raw, who: Who, people_by_code: Mapping[str, UUID], now: datetime) -> None:
    """Rotations of the operators, the site contacts as they are, and the runbooks that ship."""
    supervisor = who("supervisor")
    first = (now - timedelta(days=now.weekday() + 7)).date()
    for rotation in raw["rotations"]:
        role = {"operations": "operator", "backup": "supervisor"}.get(rotation["code"])
        for shift in rotation["shifts"] if role else ():
            alarms.add_rotation(
                supervisor,
                name=f"{rotation['name']}, {shift['person']}",
                role=str(role),
                zone=rotation["zone"],
                people=[people_by_code[shift["person"]]],
                first_day=first,
                hours=_weekly_minutes(shift["spans"]),
                now=now,
            )
    runbooks.publish_shipped(who("it"), now=now)


def _weekly_minutes(spans: Sequence[Sequence[int]]) -> list[dict[str, int]]:
    """Spans that run past midnight become two."""
    found = []
    for weekday, begin, end in spans:
        found.append({"weekday": weekday, "from_min": begin, "to_min": min(end, DAY_MIN)})
        if end > DAY_MIN:
            found.append({"weekday": (weekday + 1) % 7, "from_min": 0, "to_min": end - DAY_MIN})
    return found


def acting_as(now: datetime) -> Who:
    """Finds the first person who holds a role and acts with their own authority."""

    def who(role: str) -> Authority:
        for one in people():
            authority = authority_of_person(one, now)
            if role in authority.roles:
                return authority
        raise LookupError(f"nobody in the network is {role}")

    return who


def authority_of(person_id: UUID, now: datetime) -> Authority:
    """The live authority of a person by id."""
    found = person(person_id)
    if found is None:
        raise LookupError(f"no person {person_id}")
    return authority_of_person(found, now, strength="password")
