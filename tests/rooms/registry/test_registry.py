"""The inventory: what is intended changes by review, what is observed by check-in, and vague targets are refused."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest

from tests.samples import a_device, a_network, a_service_class, a_site, a_space
from waystation.kernel.authority import Authority
from waystation.kernel.refusals import BadInput, Conflict, NotAllowed, NotFound
from waystation.registry import actions, queries
from waystation.registry import models as m

pytestmark = pytest.mark.django_db


def test_a_site_is_found_by_code_and_by_id(system: Authority) -> None:
    """Both name the same record; an unknown one is refused with a next step."""
    site = a_site("cordoba")
    assert queries.site(system, "cordoba") == queries.site(system, str(site.pk)) == site
    with pytest.raises(NotFound, match="madrid"):
        queries.site(system, "madrid")


def test_someone_with_one_site_sees_only_that_one(person: Callable[..., Any], now: datetime) -> None:
    """Grants at a site show that site."""
    from waystation.access import actions as access
    from waystation.access import queries as who

    here, there = a_site("here"), a_site("there")
    ana = person("Ana")
    access.grant_role(who.system_authority("test"), ana.pk, "site_contact", site_id=here.pk, now=now)
    authority = who.authority_of_person(ana, now)
    assert list(queries.sites(authority)) == [here]
    with pytest.raises(NotFound):
        queries.site(authority, there.code)


@pytest.mark.parametrize("name", actions.TARGETS)
def test_sla_02_best_effort_is_no_target(name: str, system: Authority, now: datetime) -> None:
    """Each of the five targets is a number, or the class is refused naming the field."""
    with pytest.raises(BadInput) as refused:
        actions.create(system, "service_class", {**a_service_class(save=False), name: "best effort"}, now=now)
    assert refused.value.field == name
    assert refused.value.value == "best effort"


def test_an_approved_profile_no_longer_changes(
    acting: Callable[..., Authority], system: Authority, now: datetime
) -> None:
    """New limits are a new edition, and only QA approves."""
    profile = a_space("cordoba", "fridge-1").profile
    assert profile is not None
    with pytest.raises(NotAllowed):
        actions.approve_profile(acting("operator"), profile.pk, now=now, reason="x")
    actions.approve_profile(acting("quality"), profile.pk, now=now, reason="WHO guidance")
    with pytest.raises(Conflict, match="edition"):
        actions.change(system, "product_profile", profile.pk, {"high_c": 9.0}, now=now)


def test_arc_06_a_check_in_changes_what_is_observed_and_nothing_else(system: Authority, now: datetime) -> None:
    """Firmware that a device reports is drift, never a silent edit of the baseline (D12)."""
    device = a_device("cordoba", "gw-1", firmware="4.1")
    actions.check_in(system, device, {"serial": device.serial, "firmware": "4.2", "colour": "red"}, now=now)
    device.refresh_from_db()
    assert (device.firmware, device.observed) == ("4.1", {"serial": device.serial, "firmware": "4.2"})


def test_arc_06_a_check_in_that_says_nothing_new_writes_nothing(system: Authority, now: datetime) -> None:
    """The history holds changes, not heartbeats."""
    from waystation.evidence.models import LogEntry

    device = a_device("cordoba", "gw-1")
    actions.check_in(system, device, {"firmware": "4.2"}, now=now)
    before = LogEntry.objects.count()
    actions.check_in(system, device, {"firmware": "4.2"}, now=now)
    assert LogEntry.objects.count() == before


def test_int_11_an_external_id_belongs_to_one_record(system: Authority, now: datetime) -> None:
    """The same reference twice changes nothing; a second record under it is refused."""
    one, two = a_site("one"), a_site("two")
    first = actions.refer(system, "site", one.pk, system="netbox", external_id="7", now=now)
    assert actions.refer(system, "site", one.pk, system="netbox", external_id="7", now=now).pk == first.pk
    with pytest.raises(Conflict):
        actions.refer(system, "site", two.pk, system="netbox", external_id="7", now=now)


@pytest.mark.parametrize(
    ("field", "value"), [("zone", "Europe/Cordoba"), ("code", "with space"), ("country", "Spain"), ("colour", 1)]
)
def test_a_bad_value_names_its_field(field: str, value: object, system: Authority, now: datetime) -> None:
    """Nothing is guessed."""
    site = a_site("cordoba")
    with pytest.raises(BadInput) as refused:
        actions.change(system, "site", site.pk, {field: value}, now=now)
    assert refused.value.field == field


def test_a_code_is_taken_once(system: Authority, now: datetime) -> None:
    """A second network of the same slug is refused as a conflict."""
    a_network()
    with pytest.raises(Conflict):
        actions.create(system, "network", {"slug": "iberia", "name": "Again"}, now=now)


def test_a_site_moves_only_along_its_states(system: Authority, now: datetime) -> None:
    """planned → active is refused: commissioning comes between."""
    site = a_site("cordoba", state="planned")
    with pytest.raises(Conflict):
        actions.set_site_state(system, site.pk, "active", now=now)
    actions.set_site_state(system, site.pk, "commissioning", now=now)
    assert actions.set_site_state(system, site.pk, "active", now=now).state == "active"


def test_the_entries_of_a_site_enter_the_log_of_its_network(system: Authority, now: datetime) -> None:
    """One log per network."""
    from waystation.evidence.models import LogEntry

    values = {
        "code": "cadiz",
        "name": "Cádiz",
        "city": "Cádiz",
        "country": "ES",
        "lat": 36.5,
        "lon": -6.3,
        "zone": "Europe/Madrid",
    }
    like = a_site("cordoba")
    linked = {"network_id": like.network_id, "template_id": like.template_id, "service_class_id": like.service_class_id}
    made = actions.create(system, "site", values | linked, now=now)
    assert LogEntry.objects.get(object_id=str(made.pk)).log == "iberia"
    assert isinstance(made, m.Site)
