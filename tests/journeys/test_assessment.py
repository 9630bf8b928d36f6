"""ARC-05: the current state of sites, each line with source and age, each cell that nobody filled counted."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from datetime import date

import pytest
from django.test import Client

from tests.conftest import START
from tests.samples import a_device, a_model, a_sensor, a_site, a_space
from waystation.journeys.assessment import COLUMNS, GROUPS, all_lines, as_csv, assess, blanks
from waystation.kernel.authority import Authority
from waystation.kernel.clock import FastClock
from waystation.registry.models import Circuit, Owner, Site, Vendor
from waystation.telemetry.queries import site_view

pytestmark = pytest.mark.django_db


def test_arc_05_a_group_without_a_record_is_a_blank_and_never_left_out() -> None:
    """An empty site has all seven groups, each one line that says so."""
    groups = assess(site := a_site("cordoba"), site_view(site.pk, START))
    assert tuple(groups) == GROUPS
    assert [line.detail for lines in groups.values() for line in lines] == ["None is recorded."] * 7
    assert blanks(groups) == 7


def test_arc_05_each_blank_cell_is_named_and_filling_it_takes_it_away() -> None:
    """One cell after the other: the count falls by one, and only that line changes."""
    space = a_space()
    device = a_device(model=a_model(firmware_target=""))
    a_sensor(space)
    vendor = Vendor.objects.create(code="tel", name="Tel", kind="carrier")
    circuit = Circuit.objects.create(site=space.site, code="c1", vendor=vendor, path="primary", medium="fibre")
    owner = Owner.objects.create(site=space.site, dependency="wan")

    def count() -> int:
        return blanks(assess(space.site, site_view(space.site_id, START)))

    before = count()
    for row, column, value in (
        (device, "firmware", "2.4"),
        (device, "zone", "mgmt"),
        (device.model, "firmware_target", "2.4"),
        (circuit, "account", "A-1"),
        (circuit, "contract_until", date(2027, 1, 1)),
        (circuit, "dispatch_phone", "+34 1"),
        (owner, "vendor", vendor),
    ):
        setattr(row, column, value)
        row.save()
        fell, before = before - count(), count()
        assert fell == (2 if (column, value) == ("firmware", "2.4") else 1), column
    lines = {
        line.group: line for lines in assess(space.site, site_view(space.site_id, START)).values() for line in lines
    }
    assert lines["Sensors"].blank == ("last seen", "position")
    assert lines["Devices"].blank == ("part",)
    assert (lines["Escalation contacts"].detail, lines["Escalation contacts"].blank) == ("Tel", ())


def test_arc_05_the_export_of_page_api_and_command_is_the_same(
    signed_in: Callable[..., Client], system: Authority, clock: FastClock
) -> None:
    """Line by line; a person at one site gets no other; nothing that a spreadsheet would run."""
    a_sensor(a_space("cordoba"))
    a_device("sevilla", name="=cmd()")
    lines = all_lines(list(Site.objects.all()), START)
    text = as_csv(lines)
    client = signed_in("operator")
    assert client.get("/sites/current-state.csv").content.decode() == text
    rows = list(csv.reader(io.StringIO(text)))
    assert tuple(rows[0]) == COLUMNS
    assert len(rows) == len(lines) + 1
    assert "'=cmd()" in text
    api = client.get("/api/v1/registry/current-state").json()
    assert [(x["site"], x["group"], x["name"], x["blank"]) for x in api] == [
        (x.site, x.group, x.name, list(x.blank)) for x in lines
    ]
    assert sum(int(row[6]) for row in rows[1:]) == sum(len(x["blank"]) for x in api)
