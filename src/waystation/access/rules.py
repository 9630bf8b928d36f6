"""Who may do what: permissions in words, roles by function. What is not written here is refused."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from waystation.kernel.authority import EVERYWHERE, Terms

PERMISSIONS: Mapping[str, str] = {
    "access.administer": "create people and machines, grant and end roles",
    "registry.read": "see sites, spaces, devices, sensors, circuits, vendors and their state",
    "registry.write": "change the inventory and import into it",
    "registry.approve_profile": "approve product profiles, templates, models and firmware",
    "telemetry.ingest": "send readings of the own site's sensors",
    "telemetry.write_hand": "record a hand reading",
    "telemetry.calibrate": "record certificates, bind probes, change sensor roles",
    "telemetry.decide_doubt": "decide about readings in doubt, signed",
    "alarms.acknowledge": "acknowledge an alarm",
    "alarms.suppress": "shelve, silence or set a maintenance window, with reason and end",
    "alarms.policy": "change the severity matrix, escalation and rotations",
    "incidents.work": "acknowledge, note, mitigate and resolve incidents",
    "incidents.hand_over": "sign a hand-over",
    "runbooks.propose": "start a run and ask for approval",
    "runbooks.approve": "approve somebody else's step",
    "runbooks.define": "change runbook definitions",
    "product.consign": "bring consignments in and out of spaces",
    "product.move": "move product and record its arrival",
    "product.dispose": "release, reject or transfer held product, signed",
    "fleet.onboard": "start a site from a template and record checks",
    "fleet.sign_off": "sign the acceptance of a site",
    "fleet.baseline": "settle drift: remediate, accept or waive",
    "spares.read": "see stock, reservations and dispatches",
    "spares.receive": "receive, stock, count and check units",
    "spares.reserve": "reserve and release units, source an incident",
    "spares.dispatch": "pick, ship, record courier events, install",
    "spares.return": "receive returns into quarantine, repair",
    "spares.wipe": "wipe and record the certificate",
    "spares.release": "release a wiped or repaired unit to stock or disposal",
    "spares.break_glass": "release break-glass stock",
    "spares.policy": "change stock targets and sourcing rules",
    "planning.propose": "propose stock policy",
    "planning.approve": "approve stock policy",
    "service_levels.read": "see targets, measures and reports",
    "service_levels.write": "change service classes and vendor windows",
    "service_levels.waive": "open and end waivers",
    "evidence.read": "read entries, proofs and packs, verify",
    "evidence.pack": "make an evidence pack",
    "evidence.hold": "place and lift holds on records",
    "evidence.subscribe": "make, pause and end webhooks that events leave by",
    "platform.operate": "run the platform's own loops",
}

_SEE = "registry.read spares.read service_levels.read"
ROLES: Mapping[str, frozenset[str]] = {
    name: frozenset(held.split())
    for name, held in {
        "operator": f"{_SEE} telemetry.write_hand alarms.acknowledge alarms.suppress incidents.work incidents.hand_over"
        " runbooks.propose product.move spares.reserve evidence.pack",
        "supervisor": f"{_SEE} telemetry.write_hand alarms.acknowledge alarms.suppress alarms.policy incidents.work"
        " incidents.hand_over runbooks.propose runbooks.approve product.move spares.reserve spares.dispatch"
        " fleet.onboard fleet.sign_off fleet.baseline service_levels.waive evidence.pack evidence.read",
        "quality": f"{_SEE} registry.approve_profile telemetry.write_hand telemetry.calibrate telemetry.decide_doubt"
        " alarms.acknowledge product.consign product.move product.dispose evidence.read evidence.pack evidence.hold",
        "site_contact": f"{_SEE} telemetry.write_hand alarms.acknowledge incidents.work product.consign product.move"
        " spares.dispatch",
        "facilities": f"{_SEE} telemetry.write_hand telemetry.calibrate alarms.acknowledge incidents.work"
        " runbooks.propose fleet.onboard",
        "it": f"{_SEE} registry.write alarms.acknowledge incidents.work runbooks.propose runbooks.define fleet.onboard"
        " fleet.baseline",
        "hub_technician": "registry.read spares.read spares.receive spares.reserve spares.dispatch spares.return",
        "wiper": "registry.read spares.read spares.wipe",
        "stock_controller": "registry.read spares.read spares.receive spares.release spares.policy",
        "break_glass_officer": "registry.read spares.read spares.break_glass",
        "planner": f"{_SEE} planning.propose spares.policy",
        "service_manager": f"{_SEE} service_levels.write service_levels.waive planning.approve evidence.read"
        " evidence.pack",
        "leadership": _SEE,
        "security": f"{_SEE} evidence.read",
        "auditor": f"{_SEE} evidence.read evidence.pack",
        "vendor": "registry.read",
        "integrator": f"{_SEE} registry.write product.consign spares.reserve spares.dispatch evidence.subscribe",
        "gateway": "telemetry.ingest",
        "administrator": "access.administer registry.read registry.write registry.approve_profile alarms.policy"
        " runbooks.define fleet.onboard spares.policy spares.receive service_levels.read service_levels.write"
        " evidence.read evidence.subscribe",
        "system": " ".join(sorted(PERMISSIONS)),
    }.items()
}
# roles that are not said as they are written
_SAID = {"quality": "QA", "it": "IT", "system": "the platform", "break_glass_officer": "break-glass officer"}
ROLE_WORDS: Mapping[str, str] = {name: _SAID.get(name, name.replace("_", " ")) for name in ROLES}
TERMS = Terms(
    PERMISSIONS,
    {p: tuple(r for r, held in ROLES.items() if p in held and r != "system") for p in PERMISSIONS},
    ROLE_WORDS,
)
HUMAN_ROLES = tuple(name for name in ROLES if name not in ("gateway", "system"))
MACHINE_ROLES = ("gateway", "integrator", "auditor")
# nobody may hold both: the first does the work that the second releases
SEPARATED: tuple[tuple[str, str], ...] = (("wiper", "stock_controller"), ("administrator", "quality"))


def grants_of(held: Iterable[tuple[str, str | None]]) -> dict[str, frozenset[str]]:
    """Permissions with their sites, from (role, site id or None for everywhere) pairs. Unknown roles give nothing."""
    found: dict[str, set[str]] = {}
    for role, site in held:
        for permission in ROLES.get(role, frozenset()):
            found.setdefault(permission, set()).add(site or EVERYWHERE)
    return {permission: frozenset(sites) for permission, sites in found.items()}


def clash(held: Iterable[str], wanted: str) -> str | None:
    """The role already held that excludes `wanted`, or None."""
    have = set(held)
    for one, other in SEPARATED:
        if wanted == one and other in have:
            return other
        if wanted == other and one in have:
            return one
    return None
