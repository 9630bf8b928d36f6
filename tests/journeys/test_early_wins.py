"""What technicians say by hub, and three figures before and after a day: each with what it rests on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.conftest import START
from tests.rooms.planning.scenes import on_shelf, two_hubs
from tests.rooms.spares.network import a_part, system
from tests.samples import a_site, a_space
from waystation.evidence.actions import NewEntry, record
from waystation.evidence.models import LogEntry
from waystation.fleet.models import Drift, Onboarding
from waystation.incidents import actions as incidents
from waystation.incidents import feedback as words
from waystation.incidents.models import Incident
from waystation.journeys import demand
from waystation.journeys.early_wins import Win, early_wins
from waystation.journeys.feedback import between, heard
from waystation.kernel.authority import Authority
from waystation.kernel.refusals import BadInput, NotAllowed
from waystation.registry.models import Device, Site
from waystation.spares.actions.sourcing import Need, source
from waystation.telemetry.models import HandReading, KeptDay, KeptUpTo

pytestmark = pytest.mark.django_db
Acting = Callable[..., Authority]
DAY = timedelta(days=1)
GOOD = {"solved": "yes", "part_right": "yes", "in_time": "yes", "sheet_clear": "yes"}


def a_repair(device: str, at: datetime) -> Incident:
    """A controller failed, a unit was sourced, and three hours later it was resolved."""
    row, end = Device.objects.get(name=device), at + timedelta(hours=3)
    made = incidents.open(
        system(), "device_unreachable", row.site_id, title="Silent", priority="P1", now=at, device_id=row.pk
    )
    source(system(), Need(made.pk, row.site_id, a_part().pk, incident_name=made.name), now=at)
    incidents.mark_service_restored(system(), made.pk, at=end, now=end, source="baseline")
    Incident.objects.filter(pk=made.pk).update(resolved_at=end, state="resolved")
    return made


def test_roi_05_a_hub_hears_its_technicians_and_how_many_said_nothing(acting: Acting) -> None:
    """Two of three repairs were told of; a repair outside of the time, and one without a part, are in no count."""
    near, _ = two_hubs()
    on_shelf(near, 5)
    made = [a_repair(f"ctl-{n}", START + n * DAY) for n in range(3)]
    ana = acting("site_contact", name="Ana")
    for row, solved in zip(made[:2], ("yes", "no"), strict=True):
        given = GOOD | {"solved": solved}
        words.give(ana, row.pk, given, work_min=20, words=f"{solved} it is", now=START + 10 * DAY)
    told = heard(system(), days=20, now=START + 12 * DAY)
    assert [(h.hub, h.told.closed, h.told.said) for h in told.hubs] == [("sevilla", 3, 2)]
    assert (told.all.shares[0].yes, told.all.shares[0].of, told.all.work_min) == (1, 2, 20)
    assert [w.words for w in told.words] == ["no it is", "yes it is"] or len(told.words) == 2
    assert between(system(), START + 5 * DAY, START + 6 * DAY).all.closed == 0
    for days in (0, 5000):
        with pytest.raises(BadInput):
            heard(system(), days=days, now=START)
    with pytest.raises(NotAllowed):
        heard(acting("vendor"), days=5, now=START)


def test_dem_07_an_own_incident_says_what_its_record_says_and_no_more(acting: Acting) -> None:
    """Model, place and downtime at once; solved and notes with the technician's word; age with the day of the unit."""
    near, _ = two_hubs()
    on_shelf(near, 1)
    made = a_repair("ctl-0", START)
    at = START + DAY

    def told() -> set[str]:
        found = demand.gather(system(), demand.served(system()), now=at).needs
        return set(next(n.told for n in found if n.external_id == made.name))

    assert told() == {"family", "region", "downtime_h"}
    words.give(acting("site_contact"), made.pk, GOOD, work_min=20, words="loose plug", now=at)
    assert told() == {"family", "region", "downtime_h", "solved", "notes"}
    Device.objects.filter(name="ctl-0").update(installed_on=at.date())
    assert told() == {"family", "region", "downtime_h", "solved", "notes", "age_months"}


def wins(split: datetime, now: datetime, days: int = 60) -> dict[str, Win]:
    """The three by name."""
    return {w.name: w for w in early_wins(system(), split=split, days=days, now=now)}


def opened(code: str, at: datetime, took_days: float) -> None:
    """A site that was opened after so many days of onboarding."""
    site = a_site(code)
    began = at - timedelta(days=took_days)
    by = system().principal_id
    Onboarding(site=site, template=site.template, started_at=began, started_by=by, opened_at=at).save()


def test_roi_08_faster_onboarding_is_shown_once_enough_sites_opened() -> None:
    """Twenty days before, five after: twelve on each side say so, eleven only show the figures."""
    split, now = START, START + 40 * DAY
    for n in range(12):
        opened(f"before-{n}", split - (n + 1) * DAY, 18.0 + n % 5)
        if n:
            opened(f"after-{n}", split + (n + 1) * DAY, 4.0 + n % 3)
    thin = wins(split, now)["Onboarding"]
    assert "12 openings on each side are needed" in thin.words
    assert (thin.before.on, thin.after.on) == ("12 opened", "11 opened")
    opened("after-0", split + DAY, 5.0)
    told = wins(split, now)["Onboarding"]
    assert "lower by" in told.words
    assert told.before.value == pytest.approx(19.8, abs=0.5)
    assert told.after.value == pytest.approx(4.9, abs=0.5)
    assert wins(START - 300 * DAY, now, 5)["Onboarding"].before.value is None


def kept(site: Site, at: datetime, hours: int, proven: float) -> None:
    """Verdict hours of a space on a day: so many of them, each proven to that share."""
    us = 3_600_000_000
    space = a_space(site.code, "fridge")
    odd = {str(h): [int(us * proven), 0] for h in range(hours)}
    sums = {"space_hours": hours, "proven_us": int(us * proven) * hours, "out_us": 0}
    KeptDay(
        site=site,
        day=at.date(),
        judged=(1 << hours) - 1,
        hours=hours,
        spaces={str(space.pk): [(1 << hours) - 1, odd]},
        **sums,
    ).save()


def test_roi_08_cleaner_readings_need_sites_that_agree() -> None:
    """Six sites lost half of their unproven time, and that is shown; at five of ten it is not."""
    split = START.replace(hour=0, minute=0, second=0, microsecond=0)
    before, after, now = split - 10 * DAY, split + 10 * DAY, split + 12 * DAY
    sites = [a_site(f"s-{n}") for n in range(10)]
    for site in sites:
        facts = {"before": "commissioning", "to": "active"}
        record([], entry=NewEntry("registry.site_state", site.pk, system(), before - DAY, site.pk, facts=facts))
    shown = _readings_of(sites[:6], before, after, now, split, falls=6)
    assert shown.words == "lower at 6 of 6 sites, higher at 0"
    KeptDay.objects.all().delete()
    mixed = _readings_of(sites, before, after, now, split, falls=5)
    assert mixed.words.startswith("no difference is shown: lower at 5 of 10")


def _readings_of(
    sites: Sequence[Site], before: datetime, after: datetime, now: datetime, split: datetime, falls: int
) -> Win:
    for n, site in enumerate(sites):
        kept(site, before, 24, 0.8 if n < falls else 0.95)
        kept(site, after, 24, 0.9)
    newest = LogEntry.objects.order_by("-seq").values_list("seq", flat=True).first() or 0
    KeptUpTo.objects.update_or_create(name="all", defaults={"file": 1, "offset": 0, "entry": newest, "writes": 1})
    return wins(split, now, 11)["Product time not proven"]


def test_roi_08_steps_by_hand_are_counted_for_each_site_and_month() -> None:
    """Forty readings by hand, then four; drift that a device settled itself is no step of a person."""
    site, split, now = a_site("cordoba"), START, START + 60 * DAY
    space = a_space("cordoba", "fridge")
    for n in range(44):
        at = split - (n + 1) * DAY if n < 40 else split + n * DAY
        values: dict[str, Any] = {"value_c": 5.0, "recorded_at": at, "by_id": system().principal_id, "instrument": "T"}
        HandReading(space=space, observed_at=at, **values).save()
    for n, resolution in enumerate(("accepted", "remediated")):
        Drift(
            site=site,
            kind=f"k{n}",
            expected="",
            actual="",
            seen_at=now - DAY,
            ended_at=now - DAY,
            resolution=resolution,
        ).save()
    told = wins(split, now)["Steps by hand"]
    months = 60 / 30.4375
    assert told.before.value == pytest.approx(40 / months)
    assert told.after.value == pytest.approx(5 / months)
    assert told.before.on == "40 in 2.0 site months"
    assert "lower by" in told.words


def test_roi_08_a_day_ahead_and_who_may_not_are_refused(acting: Acting) -> None:
    """And with no site at all every figure says that it has nothing to stand on."""
    for split in (START + DAY, START):
        with pytest.raises(BadInput, match="lies ahead"):
            early_wins(system(), split=split, days=5, now=START)
    with pytest.raises(NotAllowed):
        early_wins(acting("hub_technician"), split=START - DAY, days=5, now=START)
    assert all(w.words.startswith("not compared") for w in wins(START - DAY, START).values())
