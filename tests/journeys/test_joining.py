"""What is joined to an incident is of its own site, and nothing of another site is shown by way of it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.test import Client

from tests.conftest import START
from tests.doors.fuzzing import of_one_site
from tests.rooms.spares.network import a_hub, a_part, a_unit, the_site
from tests.samples import a_profile, a_sensor, a_site, a_space
from waystation.alarms.models import Alarm
from waystation.incidents import actions, reviews
from waystation.incidents.models import Incident, IncidentLink
from waystation.journeys import claims, joining, post_incident
from waystation.kernel.authority import Authority
from waystation.kernel.refusals import NotFound
from waystation.product.models import Consignment, Move, ProductHold
from waystation.registry.models import Space
from waystation.runbooks.models import Run
from waystation.spares.models import Reservation, Round, Unit
from waystation.telemetry.models import Excursion

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)


def an_excursion(space: Space) -> Excursion:
    """An hour too warm."""
    values: dict[str, Any] = {"started_at": START, "ended_at": START + HOUR, "detected_at": START}
    values |= {"peak_c": 9.0, "limit_c": 8.0, "direction": "high", "measured_s": 3600.0, "profile_id": a_profile().pk}
    return Excursion.objects.create(site=space.site, space=space, sensor=a_sensor(space), **values)


def an_alarm(space: Space) -> Alarm:
    """An alarm of a space."""
    values: dict[str, Any] = {"rule": "excursion", "site": space.site, "object_kind": "space", "object_id": space.pk}
    at = {"started_at": START, "facts_at": START, "raised_at": START}
    return Alarm.objects.create(severity="high", row_slug="x", **values, **at)


def a_move(space: Space) -> Move:
    """Lots on their way from a space to its neighbour."""
    beside = a_space(space.site.code, code="beside")
    return Move.objects.create(from_space=space, to_space=beside, started_at=START, started_by=uuid4())


def a_hold(space: Space) -> ProductHold:
    """A lot on hold."""
    lot = Consignment.objects.create(lot=f"L-{space}", product="Vaccine", quantity=4, unit="vial", profile=a_profile())
    return ProductHold.objects.create(
        consignment=lot, excursion_id=uuid4(), space=space, measured_s=1, worst_case_s=1, opened_at=START
    )


def an_incident(by: Authority, space: Space, cause: str = "excursion") -> Incident:
    """A live incident of a space."""
    return actions.open(by, cause, space.site_id, title="Warm", priority="P2", now=START, space_id=space.pk)


@pytest.mark.parametrize("kind", ["alarm", "move", "excursion", "hold"])
def test_sec_06_a_record_of_another_site_cannot_be_joined(kind: str, system: Authority) -> None:
    """It is said not to be there, like one that is on no record; that of the incident's site is joined."""
    make: dict[str, Callable[[Space], Any]] = {
        "alarm": an_alarm,
        "move": a_move,
        "excursion": an_excursion,
        "hold": a_hold,
    }
    row = an_incident(system, a_space())
    for key in (make[kind](a_space("malaga")).pk, uuid4()):
        with pytest.raises(NotFound) as refused:
            joining.attach(system, row.name, kind, key, now=START)
        assert refused.value.code == "incidents.link_not_here"
    own = make[kind](a_space()).pk
    joining.attach(system, row.name, kind, own, now=START)
    assert list(IncidentLink.objects.values_list("kind", "object_id")) == [(kind, own)]


def test_sec_06_every_kind_of_link_has_its_site() -> None:
    """So that none is joined unseen."""
    assert set(joining.WHERE) == set(actions.LINKS)


def test_sec_06_what_was_joined_from_another_site_is_not_shown(system: Authority) -> None:
    """Neither in a claim nor in a review; and a claim of an excursion takes no incident of another site."""
    here, there = a_space(), a_space("malaga")
    row, own, foreign = an_incident(system, here), an_excursion(here), an_excursion(there)
    for one in (own, foreign):
        actions.attach(system, row.pk, "excursion", one.pk, now=START)
    assert [e.pk for e in claims.subject(system, incident=row.name, now=START + 2 * HOUR).excursions] == [own.pk]
    assert claims.subject(system, excursion=str(foreign.pk), now=START + 2 * HOUR).incident is None
    assert claims.subject(system, excursion=str(own.pk), now=START + 2 * HOUR).incident == row
    review = reviews.begun(row.site, START, incident=row, space_id=here.pk)
    own.delete()
    assert post_incident.findings(review).detection[0].seconds is None


@pytest.mark.parametrize("door", ["moves", "runs"])
def test_sec_06_nobody_writes_into_an_incident_that_they_do_not_see(door: str, system: Authority) -> None:
    """A move and a run name an incident of a site that their maker sees."""
    space, local = a_space("jaen"), of_one_site()
    foreign: UUID = an_incident(system, a_space()).pk
    if door == "moves":
        sent = {"from_space_id": str(space.pk), "to_space_id": str(a_space("jaen", code="beside").pk)}
        reply = _post(local, "/api/v1/product/moves", sent | {"consignment_ids": []}, foreign)
    else:
        reply = _post(local, "/api/v1/runbooks/runs", {"slug": "x", "site_id": str(a_site("jaen").pk)}, foreign)
    assert (reply.status_code, reply.json()["code"]) == (404, "incidents.unknown")
    assert not Move.objects.exists()
    assert not Run.objects.exists()


@pytest.mark.parametrize("door", ["source", "units/{unit}/reserve", "break-glass"])
def test_sec_06_no_unit_is_held_for_an_incident_of_another_site(door: str, system: Authority, signed_in: Any) -> None:
    """Named with a site that is not its own it is said not to be there, and nothing is held or sourced."""
    unit = a_unit("S-1", a_hub())
    foreign: UUID = an_incident(system, a_space("malaga")).pk
    sent = {"site_id": str(the_site().pk), "part_id": str(a_part().pk), "reason": "cold", "name": "INC-9"}
    client = signed_in("supervisor")
    reply = _post(client, f"/api/v1/spares/{door.format(unit=unit.pk)}", sent, foreign)
    assert (reply.status_code, reply.json()["code"]) == (404, "incidents.link_not_here")
    assert not Reservation.objects.exists()
    assert not Round.objects.exists()


@pytest.mark.parametrize("door", ["failed?incident_id={foreign}", "return"])
def test_sec_06_no_unit_fails_or_comes_back_for_an_incident_of_another_site(
    door: str, system: Authority, signed_in: Any
) -> None:
    """A unit that works at Córdoba does not fail for an incident at Málaga; for one of its own site it does."""
    unit = a_unit("S-1", a_hub())
    Unit.objects.filter(pk=unit.pk).update(state="installed", site_id=the_site().pk, hub_id=None)
    client, sent = signed_in("hub_technician"), {"reason": "cold"}
    foreign, own = an_incident(system, a_space("malaga")).pk, an_incident(system, a_space("cordoba")).pk
    path = f"/api/v1/spares/units/{unit.pk}/{door}"
    reply = _post(client, path.format(foreign=foreign), sent, foreign)
    assert (reply.status_code, reply.json()["code"]) == (404, "incidents.link_not_here")
    assert Unit.objects.get(pk=unit.pk).state == "installed"
    if door == "return":
        _post(client, f"/api/v1/spares/units/{unit.pk}/failed", sent, own)
    assert _post(client, path.format(foreign=own), sent, own).status_code == 200


def _post(client: Client, path: str, sent: dict[str, Any], incident: UUID) -> Any:
    return client.post(path, sent | {"incident_id": str(incident)}, content_type="application/json")
