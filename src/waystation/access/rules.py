"""Who may do what: permissions in words, roles by function. What is not written here is refused."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from waystation.kernel.authority import EVERYWHERE, Terms

ERASED_AT = "erased.invalid"  # a domain that no mail reaches (RFC 2606)
# what a person may ask to be taken away: columns of the person, salted in entries, in backups under the person's key
PERSONAL = ("email", "name", "phone", "employer", "shifts", "qualifications")

PERMISSIONS: Mapping[str, str] = {
    "access.administer": "create people and machines, grant and end roles",
    "registry.read": "see sites, spaces, devices, sensors, circuits, vendors and their state",
    "registry.write": "change the inventory and import into it",
    "registry.approve_profile": "approve product profiles, templates, models and firmware",
    "telemetry.ingest": "send readings of the own site's sensors",
    "telemetry.write_hand": "record a hand reading",
    "telemetry.calibrate": "record certificates, bind probes, change sensor roles",
    "telemetry.decide_doubt": "decide about readings in doubt, signed",
    "telemetry.retain": "propose how long readings are kept",
    "telemetry.approve_retention": "approve and end retention policies, signed",
    "alarms.acknowledge": "acknowledge an alarm",
    "alarms.suppress": "shelve, silence or set a maintenance window, with reason and end",
    "alarms.policy": "change the severity matrix, escalation and rotations",
    "incidents.work": "acknowledge, note, mitigate and resolve incidents",
    "incidents.hand_over": "sign a hand-over",
    "incidents.review": "sign what was learnt from an excursion or outage",
    "runbooks.propose": "start a run and ask for approval",
    "runbooks.approve": "approve somebody else's step",
    "runbooks.define": "change runbook definitions",
    "product.consign": "bring consignments in and out of spaces",
    "product.move": "move product and record its arrival",
    "product.value": "state what a unit of a lot is worth",
    "product.dispose": "release, reject or transfer held product, signed",
    "fleet.onboard": "start a site from a template and record checks",
    "fleet.sign_off": "sign the acceptance of a site",
    "fleet.maintain": "plan maintenance and record what came of it",
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
    "planning.read": "see failure history, forecasts, plans and stock policy",
    "planning.propose": "propose stock policy",
    "planning.approve": "approve stock policy",
    "service_levels.read": "see targets, measures and reports",
    "service_levels.write": "change service classes and vendor windows",
    "service_levels.session": "open, follow and close vendor sessions",
    "service_levels.waive": "open and end waivers",
    "evidence.read": "read entries, proofs and packs, verify",
    "evidence.pack": "make an evidence pack",
    "evidence.hold": "place and lift holds on records",
    "evidence.review": "review and sign the audit trail of a period",
    "evidence.subscribe": "make, pause and end webhooks that events leave by",
    "platform.record_test": "record a failover test of the installation",
    "platform.operate": "run the platform's own loops",
}

_SEE = "registry.read spares.read planning.read service_levels.read"
ROLES: Mapping[str, frozenset[str]] = {
    name: frozenset(held.split())
    for name, held in {
        "operator": f"{_SEE} telemetry.write_hand alarms.acknowledge alarms.suppress incidents.work incidents.hand_over"
        " runbooks.propose product.move spares.reserve evidence.pack",
        "supervisor": f"{_SEE} telemetry.write_hand alarms.acknowledge alarms.suppress alarms.policy incidents.work"
        " incidents.hand_over incidents.review runbooks.propose runbooks.approve product.move spares.reserve"
        " spares.dispatch fleet.onboard fleet.sign_off fleet.baseline fleet.maintain service_levels.session"
        " service_levels.waive evidence.pack evidence.read",
        "quality": f"{_SEE} registry.approve_profile telemetry.write_hand telemetry.calibrate telemetry.decide_doubt"
        " telemetry.retain telemetry.approve_retention alarms.acknowledge incidents.review product.consign product.move"
        " product.dispose product.value platform.record_test"
        " evidence.read evidence.pack evidence.hold evidence.review",
        "site_contact": f"{_SEE} telemetry.write_hand alarms.acknowledge incidents.work product.consign product.move"
        " spares.dispatch fleet.maintain service_levels.session",
        "facilities": f"{_SEE} telemetry.write_hand telemetry.calibrate alarms.acknowledge incidents.work"
        " runbooks.propose fleet.onboard fleet.maintain service_levels.session",
        "it": f"{_SEE} registry.write alarms.acknowledge incidents.work runbooks.propose runbooks.define fleet.onboard"
        " fleet.baseline fleet.maintain service_levels.session platform.record_test",
        "hub_technician": "registry.read spares.read planning.read spares.receive spares.reserve spares.dispatch"
        " spares.return",
        "wiper": "registry.read spares.read spares.wipe",
        "stock_controller": "registry.read spares.read planning.read spares.receive spares.release spares.policy",
        "break_glass_officer": "registry.read spares.read spares.break_glass",
        "planner": f"{_SEE} planning.propose spares.policy",
        "service_manager": f"{_SEE} incidents.review product.value fleet.maintain telemetry.retain planning.approve"
        " service_levels.write service_levels.waive service_levels.session evidence.read evidence.pack",
        "leadership": _SEE,
        "security": f"{_SEE} evidence.read",
        "auditor": f"{_SEE} evidence.read evidence.pack",
        "vendor": "registry.read",
        "integrator": f"{_SEE} registry.write product.consign spares.reserve spares.dispatch evidence.subscribe",
        "gateway": "telemetry.ingest",
        "jump_host": "registry.read service_levels.session",
        "administrator": "access.administer registry.read registry.write registry.approve_profile alarms.policy"
        " runbooks.define fleet.onboard spares.policy spares.receive service_levels.read service_levels.write"
        " evidence.read evidence.subscribe platform.record_test",
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
HUMAN_ROLES = tuple(name for name in ROLES if name not in ("gateway", "jump_host", "system"))
MACHINE_ROLES = ("gateway", "jump_host", "integrator", "auditor")
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
