"""Each role at each door: what somebody with all roles may ask is done for those who hold what it takes, else refused.

The table is written by hand and says what each operation takes; the matrix of roles says who holds that.
"""

from __future__ import annotations

import ast
import json
from pathlib import Path
from random import Random

import pytest
from django.http import HttpResponse
from django.test import Client

from tests.conftest import ROOT
from tests.doors.fuzzing import Drawn, Pool, a_world, ask, described, drawn_request, everybody, holding, of_one_site
from waystation.access.rules import HUMAN_ROLES, PERMISSIONS, ROLES
from waystation.evidence.models import LogEntry
from waystation.kernel.clock import FastClock

pytestmark = pytest.mark.django_db
OPERATIONS, SHAPES = described()
DRAWS = 60
TAKES = {
    "POST /api/v1/access/machines": "access.administer",
    "GET /api/v1/access/people": "access.administer",
    "POST /api/v1/access/people": "access.administer",
    "GET /api/v1/alarms/active": "registry.read",
    "GET /api/v1/alarms/alarms/{key}": "registry.read",
    "POST /api/v1/alarms/alarms/{key}/acknowledge": "alarms.acknowledge",
    "GET /api/v1/alarms/alarms/{key}/children": "registry.read",
    "GET /api/v1/alarms/alarms/{key}/paged": "registry.read",
    "GET /api/v1/alarms/alarms/{key}/why/{person_id}": "registry.read",
    "GET /api/v1/alarms/matrix": "registry.read",
    "GET /api/v1/alarms/route_tests": "registry.read",
    "GET /api/v1/alarms/sites/{key}/cause": "registry.read",
    "GET /api/v1/alarms/sites/{key}/on_call/{role}": "registry.read",
    "POST /api/v1/alarms/sites/{key}/route_test": "alarms.policy",
    "GET /api/v1/alarms/suppressions": "registry.read",
    "POST /api/v1/alarms/suppressions/preview": "registry.read",
    "GET /api/v1/controls/": "evidence.read",
    "GET /api/v1/discovery/sites/{site}": "registry.read",
    "GET /api/v1/events": "registry.read",
    "GET /api/v1/fleet/drift": "registry.read",
    "GET /api/v1/fleet/onboardings": "registry.read",
    "GET /api/v1/fleet/waiting": "registry.read",
    "POST /api/v1/fleet/sites/{code}/start": "fleet.onboard",
    "POST /api/v1/incidents/": "incidents.work",
    "GET /api/v1/gateways/": "registry.read",
    "POST /api/v1/gateways/enrolments": "access.administer",
    "GET /api/v1/incident-reviews/": "registry.read",
    "GET /api/v1/incident-reviews/overdue": "registry.read",
    "GET /api/v1/incidents/open": "registry.read",
    "GET /api/v1/incidents/outcomes": "registry.read",
    "GET /api/v1/incidents/{key}": "registry.read",
    "POST /api/v1/incidents/{key}/acknowledge": "incidents.work",
    "POST /api/v1/incidents/{key}/mitigated": "incidents.work",
    "POST /api/v1/incidents/{key}/quality": "product.dispose",
    "GET /api/v1/incidents/{key}/timeline": "registry.read",
    "GET /api/v1/lifelines/sites/{code}": "registry.read",
    "GET /api/v1/lifelines/devices/{key}/reach": "registry.read",
    "GET /api/v1/maintenance/": "registry.read",
    "POST /api/v1/maintenance/orders": "registry.read fleet.maintain",
    "GET /api/v1/maintenance/orders/{key}": "registry.read",
    "POST /api/v1/maintenance/orders/{key}/start": "registry.read fleet.maintain",
    "POST /api/v1/maintenance/orders/{key}/cancel": "registry.read fleet.maintain",
    "GET /api/v1/planning/expectations": "planning.read",
    "POST /api/v1/planning/factors": "planning.read",
    "GET /api/v1/planning/groups": "planning.read",
    "GET /api/v1/planning/history": "planning.read",
    "GET /api/v1/planning/plans": "planning.read",
    "GET /api/v1/planning/plans/{key}": "planning.read",
    "GET /api/v1/planning/plans/{key}/lines": "planning.read",
    "GET /api/v1/planning/points": "planning.read",
    "GET /api/v1/planning/run-out": "planning.read",
    "GET /api/v1/planning/excess": "planning.read",
    "GET /api/v1/planning/accuracy": "planning.read",
    "GET /api/v1/planning/studio": "planning.read",
    "GET /api/v1/planning/network": "planning.read",
    "GET /api/v1/planning/network/certificate": "planning.read",
    "POST /api/v1/planning/designs": "planning.read",
    "GET /api/v1/planning/kpis": "planning.read service_levels.read",
    "POST /api/v1/planning/business-case": "planning.read service_levels.read",
    "GET /api/v1/planning/uncovered": "planning.read",
    "GET /api/v1/planning/achievable": "planning.read",
    "GET /api/v1/planning/models/{group}": "planning.read",
    "GET /api/v1/planning/models/{group}/fewer": "planning.read",
    "GET /api/v1/keeping/holds": "evidence.read",
    "GET /api/v1/keeping/retention/forecast": "evidence.read",
    "GET /api/v1/keeping/retention/policies": "evidence.read",
    "GET /api/v1/keeping/retention/reports": "evidence.read",
    "GET /api/v1/keeping/retention/sites/{site}/removals": "evidence.read",
    "GET /api/v1/reviews/": "evidence.read",
    "GET /api/v1/reviews/months": "evidence.read",
    "GET /api/v1/product/consignments": "registry.read",
    "GET /api/v1/product/consignments/{key}/values": "registry.read",
    "GET /api/v1/product/consignments/{key}/way": "registry.read",
    "GET /api/v1/product/deviations": "registry.read",
    "POST /api/v1/product/deviations": "product.dispose",
    "GET /api/v1/product/holds": "registry.read",
    "POST /api/v1/product/spaces/{space_id}/bring-in": "product.consign",
    "GET /api/v1/registry/current-state": "registry.read",
    "GET /api/v1/registry/product_profile/{key}/replay": "registry.read",
    "GET /api/v1/registry/shipped-profiles": "registry.read",
    "POST /api/v1/registry/product_profile/{key}/approve": "registry.approve_profile",
    "GET /api/v1/registry/sites": "registry.read",
    "GET /api/v1/registry/sites/{key}": "registry.read",
    "POST /api/v1/registry/sites/{key}/state/{target}": "registry.write",
    "GET /api/v1/runbooks/approvals": "registry.read",
    "GET /api/v1/runbooks/definitions": "registry.read",
    "GET /api/v1/runbooks/runs": "registry.read",
    "GET /api/v1/service_levels/months": "service_levels.read",
    "GET /api/v1/service_levels/record": "service_levels.read",
    "GET /api/v1/service_levels/questions": "service_levels.read",
    "POST /api/v1/service_levels/sites/{code}/class": "service_levels.write",
    "GET /api/v1/service_levels/sites/{code}/class/{then}": "service_levels.read",
    "GET /api/v1/service_levels/vendors": "service_levels.read",
    "POST /api/v1/service_levels/windows": "service_levels.write",
    "GET /api/v1/spares/alerts": "spares.read",
    "POST /api/v1/spares/break-glass": "spares.break_glass",
    "POST /api/v1/spares/courier-events": "spares.dispatch",
    "POST /api/v1/spares/dispatches/{key}/deliver": "spares.dispatch",
    "GET /api/v1/spares/dispatches/{key}/job-sheet": "spares.read",
    "GET /api/v1/spares/dispatches/{key}/label": "spares.read",
    "POST /api/v1/spares/dispatches/{key}/pick": "spares.dispatch",
    "POST /api/v1/spares/dispatches/{key}/ship": "spares.dispatch",
    "GET /api/v1/spares/hubs": "spares.read",
    "GET /api/v1/spares/hubs/{key}/desk": "spares.read",
    "GET /api/v1/spares/incidents/{incident_id}/candidates": "spares.read",
    "POST /api/v1/spares/reservations/{key}/release": "spares.reserve",
    "POST /api/v1/spares/reservations/{key}/take-over": "spares.reserve",
    "POST /api/v1/spares/source": "spares.reserve",
    "GET /api/v1/spares/stock": "spares.read",
    "GET /api/v1/spares/units": "spares.read",
    "POST /api/v1/spares/units": "spares.receive",
    "GET /api/v1/spares/units/{key}": "spares.read",
    "POST /api/v1/spares/units/{key}/reserve": "spares.reserve",
    "GET /api/v1/spares/units/{key}/timeline": "spares.read",
    "GET /api/v1/telemetry/calibration": "registry.read",
    "POST /api/v1/telemetry/sensors/{sensor_id}/bind": "telemetry.calibrate",
    "GET /api/v1/telemetry/sites/{site}": "registry.read",
    "POST /api/v1/telemetry/spaces/{space_id}/hand-readings": "telemetry.write_hand",
    "GET /api/v1/vendor-sessions/": "registry.read",
    "POST /api/v1/vendor-sessions/": "registry.read service_levels.session",
    "GET /api/v1/vendor-sessions/{key}": "registry.read",
    "POST /api/v1/vendor-sessions/{key}/close": "service_levels.session",
    "GET /api/v1/webhooks": "evidence.subscribe",
    "POST /api/v1/webhooks": "evidence.subscribe",
}
# what everybody who is signed in may do, whatever their roles
FREE = ("GET /api/v1/access/me", "POST /api/v1/access/me/preferences", "GET /api/v1/access/roles")
ROOMS = sorted({name.split("/")[3] for name in TAKES})


@pytest.fixture(autouse=True)
def _witnessed() -> None:
    """No tables are compared here: who may is asked, and the suites of the doors compare."""


def _good_request(name: str, known: Pool, client: Client) -> tuple[str, str, bytes]:
    """The first request drawn for an operation that is done."""
    one = next(o for o in OPERATIONS if o.name == name)
    for number in range(DRAWS):
        request = drawn_request(one, Drawn(Random(number), SHAPES, known, 0.0))
        if ask(client, request).status_code < 300:
            return request
    raise AssertionError(f"{name}: none of {DRAWS} requests was done")


def _is_nothing(reply: HttpResponse) -> bool:
    """A refusal, or for somebody who sees no site a list without a line."""
    told = json.loads(reply.content)
    if reply.status_code in (403, 404):
        return bool(told["code"] and told["message"] and told["next_step"])
    return reply.status_code == 200 and (told == [] or (isinstance(told, dict) and not any(map(_holds, told.values()))))


def _holds(value: object) -> bool:
    return bool(value) if isinstance(value, list | dict) else False


@pytest.mark.parametrize("room", ROOMS)
def test_sec_06_each_role_may_at_each_door_what_the_matrix_says(room: str, clock: FastClock) -> None:
    """Done for whoever holds the permission, 403 with its name for everybody else, and 403 without any role."""
    a_world()
    known, client, nobody = Pool(), everybody(), holding("")
    people = {role: holding(role) for role in HUMAN_ROLES}
    for name, permission in TAKES.items():
        if name.split("/")[3] != room:
            continue
        request = _good_request(name, known, client)
        may = {role for role, who in people.items() if ask(who, request).status_code < 300}
        assert may == {role for role in HUMAN_ROLES if set(permission.split()) <= set(ROLES[role])}, name
        entries = LogEntry.objects.count()
        for who in (nobody, *(people[role] for role in HUMAN_ROLES if role not in may)):
            reply = ask(who, request)
            assert _is_nothing(reply), (name, reply.content)
        assert LogEntry.objects.count() == entries, name


def test_sec_06_a_right_at_one_site_is_none_at_another(clock: FastClock) -> None:
    """With every role at one site alone, what concerns another site is refused or not there."""
    a_world()
    known, client, local = Pool(), everybody(), of_one_site()
    elsewhere = [
        n for n in TAKES if any(w in n for w in ("alarms/{key}", "incidents/{key}", "{space_id}", "{sensor_id}"))
    ]
    assert len(elsewhere) >= 8
    for name in elsewhere:
        if name == "GET /api/v1/alarms/alarms/{key}/why/{person_id}":
            continue
        reply = ask(local, _good_request(name, known, client))
        assert reply.status_code in (403, 404), (name, reply.content)


def test_every_operation_of_the_table_exists_and_names_a_permission() -> None:
    """No dead lines; and what is free stands in no table."""
    names = {one.name for one in OPERATIONS}
    assert set(TAKES) | set(FREE) <= names
    assert {one for takes in TAKES.values() for one in takes.split()} <= set(PERMISSIONS)
    assert not set(TAKES) & set(FREE)


@pytest.mark.parametrize("name", FREE)
def test_what_is_free_asks_for_a_sign_in_and_nothing_more(name: str, clock: FastClock) -> None:
    """Somebody without any role sees and keeps their own."""
    method, path = name.split()
    assert holding("").generic(method, path, b"{}", content_type="application/json").status_code == 200
    assert Client().generic(method, path, b"{}", content_type="application/json").status_code == 401


SOURCE = ROOT / "src" / "waystation"
# actions that ask nothing of their caller, each for its reason
ASKS_NOTHING = {
    "access.set_preferences": "everybody's own",
    "spares.write": "the last step of reserving, which asked",
    "spares.held_rows": "the first step of reserving, which asked",
}


def _modules() -> list[Path]:
    found = [*SOURCE.glob("*/actions.py"), *SOURCE.glob("*/actions/*.py"), *SOURCE.glob("registry/importing/files.py")]
    return sorted(p for p in found if p.name != "__init__.py")


def _functions(path: Path) -> dict[str, ast.FunctionDef]:
    return {n.name: n for n in ast.parse(path.read_text()).body if isinstance(n, ast.FunctionDef)}


def _asks(function: ast.FunctionDef, all_of: dict[str, ast.FunctionDef], seen: frozenset[str] = frozenset()) -> bool:
    """Whether it calls `require`, itself or through another function of the room."""
    for node in ast.walk(function):
        if isinstance(node, ast.Call):
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if called == "require":
                return True
            if called in all_of and called not in seen and _asks(all_of[called], all_of, seen | {called}):
                return True
    return False


def test_default_deny_every_action_asks_whether_its_caller_may() -> None:
    """Every public function of a room's actions that takes an authority first asks it for a permission."""
    silent, counted = set(), 0
    for path in _modules():
        room = path.relative_to(SOURCE).parts[0]
        every: dict[str, ast.FunctionDef] = {}
        for other in (SOURCE / room).rglob("*.py"):
            every |= _functions(other)
        every |= _functions(path)  # of one name in several modules, a function calls its own module's
        for name, function in _functions(path).items():
            arguments = [a.arg for a in (*function.args.posonlyargs, *function.args.args)]
            if name.startswith("_") or arguments[:1] != ["by"]:
                continue
            counted += 1
            if not _asks(function, every):
                silent.add(f"{room}.{name}")
    assert counted >= 80
    assert silent == set(ASKS_NOTHING)


def test_every_permission_that_an_action_asks_for_is_in_the_matrix() -> None:
    """A misspelt permission would refuse everybody, or be granted to nobody."""
    asked = set()
    for path in SOURCE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            called = node.func.attr if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) else ""
            if called in ("require", "may") and node.args and isinstance(node.args[0], ast.Constant):  # type: ignore[attr-defined]
                asked.add(node.args[0].value)  # type: ignore[attr-defined]
    assert len(asked) >= 30
    assert asked <= set(PERMISSIONS)
