"""Holds as people name them: found again as times of sites, and obeyed by the work of retention."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.rooms.telemetry.kept import DAY, approved, five_days, run, stored
from tests.samples import a_profile, a_site, a_space
from waystation.access.queries import system_authority
from waystation.evidence import holds, placed, sequencer
from waystation.evidence.verifier.verify import verify_pack
from waystation.incidents.models import Incident
from waystation.journeys import evidence_pack, keeping
from waystation.journeys.audit import audit
from waystation.journeys.doctor import findings
from waystation.kernel.authority import Authority
from waystation.kernel.refusals import BadInput, NotFound
from waystation.product.models import Consignment, Presence
from waystation.telemetry.actions.thin import sweep

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("folder")]
Acting = Callable[..., Authority]
BEGIN = datetime.fromisoformat("2026-11-01T00:00:00+00:00")
LATER = BEGIN + timedelta(days=3 * 366)
EVER = 2**62


@pytest.fixture
def quim(acting: Acting) -> Authority:
    """Somebody of QA."""
    return acting("quality", name="quim")


def _lot(space: Any, until: datetime | None) -> Consignment:
    lot = Consignment.objects.create(
        lot="L-1", product="vaccine", quantity=10, unit="vial", customer="c", profile=a_profile()
    )
    Presence.objects.create(consignment=lot, space=space, since=BEGIN, until=until)
    return lot


@pytest.mark.parametrize("subject", ["site", "space", "incident", "consignment"])
def test_evd_07_a_hold_on_each_subject_holds_its_site_and_no_other(subject: str, quim: Authority) -> None:
    """By code, by SITE/SPACE, by number, by lot, also where the lot stood before."""
    space, other = a_space(), a_site("elsewhere")
    _lot(space, BEGIN + DAY)
    row = Incident.objects.create(
        network=space.site.network,
        number=12,
        site=space.site,
        cause="space_out_of_range",
        group="space",
        title="t",
        priority="P1",
        opened_at=BEGIN,
        detected_at=BEGIN,
    )
    name = {"site": "cordoba", "space": "cordoba/fridge-1", "incident": f"INC-{row.number}", "consignment": "L-1"}
    keeping.hold(quim, subject=subject, name=name[subject], reason="claim", since=BEGIN, now=LATER)
    (span,) = keeping.held_of(LATER)(space.site_id)
    assert (span.start_us, span.end_us) == (round(BEGIN.timestamp() * 1e6), EVER)
    assert span.why.startswith(f"hold on {subject}")
    assert list(keeping.held_of(LATER)(other.pk)) == []


@pytest.mark.parametrize(
    ("subject", "name"),
    [("space", "cordoba/none"), ("consignment", "none"), ("person", "ana"), ("site", "none"), ("incident", "INC-9")],
)
def test_evd_07_what_nobody_knows_is_not_held(subject: str, name: str, quim: Authority) -> None:
    """Each is refused by what was written, and no hold stands that would hold nothing."""
    a_space()
    with pytest.raises((BadInput, NotFound)):
        keeping.hold(quim, subject=subject, name=name, reason="claim", now=LATER)
    assert list(holds.binding(LATER)) == []


def test_evd_07_retention_obeys_a_hold_until_two_people_lift_it(quim: Authority, acting: Acting) -> None:
    """Held: nothing of the day goes; the day after it is lifted, it does."""
    space = five_days(BEGIN, hot=False)
    space.site.service_class.retention_days = 100
    space.site.service_class.save()
    before = stored(space, "probe-1")
    ana = acting("quality", name="ana")
    approved(acting("service_manager", name="sol"), quim, LATER, keep_years=2)
    hold = keeping.hold(quim, subject="space", name="cordoba/fridge-1", reason="claim", now=LATER)
    assert run(LATER, keeping.held_of(LATER)) == 0
    assert stored(space, "probe-1") == before
    holds.ask_to_lift(quim, hold.pk, reason="settled", now=LATER)
    holds.lift(ana, hold.pk, fresh_proof=True, now=LATER)
    assert run(LATER, keeping.held_of(LATER)) == 0
    assert run(LATER + DAY, keeping.held_of(LATER + DAY)) == 5
    assert stored(space, "probe-1") == []


def test_evd_06_the_audit_and_a_pack_agree_with_what_retention_left(quim: Authority, acting: Acting) -> None:
    """Before and after the old files go no flaw is found; a pack over removed time says so and verifies."""
    space = five_days(BEGIN)
    space.site.service_class.retention_days = 100
    space.site.service_class.save()
    approved(acting("service_manager", name="sol"), quim, LATER, keep_years=2)
    run(LATER)
    system = system_authority("test")
    for at in (LATER, LATER + DAY):
        sweep(system, now=at)
        found = audit((), now=at, days=1)
        assert [f for f in found.flaws if f.code.startswith("segments")] == []
        assert found.compared["segments"] == 5
        assert [f.code for f in findings(at) if f.code.startswith("segments")] == []
    sequencer.run(LATER)
    made = evidence_pack.make(system, space.site.code, BEGIN, BEGIN + DAY, now=LATER)
    report = verify_pack(made, placed.trust(space.site.network.slug))
    assert report.ok, report
    assert b"removed by retention on" in made
