"""Console pages over 2,000 sites and 100,000 sensors on the embedded default: time to the answer, in this process.

Sites, spaces and sensors are rows made in bulk; every site has a state with its newest values, one in a hundred has an
open excursion. 91 days of every site are kept as the keeper of hours writes them: one in fifty days of a space has an
hour that is not proven, one in five hundred an hour that is out. The first answer of each page is told apart. What a
browser needs to paint, and the way over a network, are not in the figures. The pages are asked for again and again by
one person; the peer is `healthz`, the same frame of the product around an empty answer.
"""

from __future__ import annotations

import os
import time
from datetime import timedelta
from typing import Any

from benchmarks.harness import Report, installation, quantile, vendor

SITES, SPACES, SENSORS_PER_SPACE = 2000, 5, 10
DAYS = 91  # kept of every site
ASKED = int(os.environ.get("BENCH_PAGES_ASKED", "15"))


def main() -> None:
    """Fill, ask, tell."""
    with installation():
        from django.conf import settings
        from django.test import Client

        from waystation import wiring
        from waystation.access import actions as access
        from waystation.access.queries import system_authority

        settings.ALLOWED_HOSTS = ["testserver"]
        now = wiring.clock().now()
        person = access.create_person(system_authority("bench"), email="ana@example.org", name="Ana", now=now)
        for role in ("operator", "leadership"):
            access.grant_role(system_authority("bench"), person.pk, role, now=now)
        begin = time.perf_counter()
        _fill(now)
        print(f"pages: filled in {time.perf_counter() - begin:.0f} s", flush=True)
        from waystation.console.warming import warm

        begin = time.perf_counter()
        warm()
        print(f"pages: warmed in {(time.perf_counter() - begin) * 1e3:.0f} ms", flush=True)
        client = Client()
        client.force_login(person, backend="allauth.account.auth_backends.AuthenticationBackend")
        report = Report("pages", vendor())
        report.add("sites", SITES)
        report.add("sensors", SITES * SPACES * SENSORS_PER_SPACE)
        _ask_all(client, report)
        report.keep()


def _ask_all(client: Any, report: Report) -> None:
    pages = {
        "healthz_peer": "/healthz",
        "now": "/",
        "site": "/sites/site-7/",
        "space": "/sites/site-7/fridge-1/",
        "sites_list": "/sites/",
        "overview": "/overview/",
        "overview_quarter": "/overview/?period=quarter",
    }
    for name, path in pages.items():
        found = _ask(client, path)
        report.add(f"{name}_asked", len(found))
        report.add(f"{name}_first_ms", found[0] * 1e3)
        report.add(f"{name}_p50_ms", quantile(found, 0.5) * 1e3)
        report.add(f"{name}_p95_ms", quantile(found, 0.95) * 1e3)
        if not name.endswith("_peer"):
            report.judge(f"{name}: p95 <= 200 ms", quantile(found, 0.95) <= 0.2)


def _ask(client: Any, path: str, most_s: float = 40.0) -> list[float]:
    """Durations in seconds; fewer than wanted when they take too long together. A page that fails ends the run."""
    found: list[float] = []
    while len(found) < ASKED and sum(found) < most_s:
        begin = time.perf_counter()
        answer = client.get(path)
        found.append(time.perf_counter() - begin)
        if answer.status_code != 200:
            raise SystemExit(f"{path} answers {answer.status_code}")
    return found


def _fill(now: Any) -> None:
    from tests.samples import a_profile, a_service_class, a_site, a_template
    from waystation.registry.models import Sensor, Site, Space
    from waystation.telemetry.models import Excursion, Progress, SiteState
    from waystation.telemetry.setup import marker

    first = a_site("site-0")
    common = {"network": first.network, "template": a_template(), "service_class": a_service_class(), "state": "active"}
    common |= {"city": "Córdoba", "country": "ES", "lat": 37.88, "lon": -4.78, "zone": "Europe/Madrid"}
    sites = [first, *(Site(code=f"site-{n}", name=f"Site {n}", **common) for n in range(1, SITES))]
    Site.objects.bulk_create(sites[1:], batch_size=500)
    profile = a_profile()
    spaces = [
        Space(site=s, code=f"fridge-{n}", name=f"Fridge {n}", kind="fridge", profile=profile, capacity_l=100.0)
        for s in sites
        for n in range(SPACES)
    ]
    Space.objects.bulk_create(spaces, batch_size=500)
    sensors = [
        Sensor(code=f"{s.site.code}.{s.code}.probe-{n}", name=f"probe-{n}", site=s.site, space=s,
               quantity="temperature", unit="degC", role="product" if n < 2 else "air")
        for s in spaces
        for n in range(SENSORS_PER_SPACE)
    ]  # fmt: skip
    Sensor.objects.bulk_create(sensors, batch_size=500)
    by_site: dict[Any, dict[str, Any]] = {s.pk: {} for s in sites}
    for sensor in sensors:
        by_site[sensor.site_id][sensor.code] = _newest(now.timestamp())
    heard: dict[Any, dict[str, float]] = {s.pk: {} for s in sites}
    for space in spaces:
        heard[space.site_id][str(space.pk)] = now.timestamp() + 3600
    states = [
        SiteState(site=s, at=now, last_frame_at=now, newest_at=now, spaces=heard[s.pk], sensors=by_site[s.pk])
        for s in sites
    ]
    SiteState.objects.bulk_create(states, batch_size=200)
    seen = marker()
    Progress.objects.create(partition="all", setup=seen.newest, setup_near=seen.near)
    step = SPACES * SENSORS_PER_SPACE
    out = [
        Excursion(site=s.site, space=s.space, sensor=s, profile_id=profile.pk, limit_c=8.0, direction="high",
                  started_at=now - timedelta(hours=1), peak_c=9.4, measured_s=3600, detected_at=now)
        for s in sensors[:: 100 * step]
    ]  # fmt: skip
    Excursion.objects.bulk_create(out)
    _open(sites, now)
    _keep(sites, spaces, now)


def _open(sites: Any, now: Any) -> None:
    """Every site says in its log that it became active a hundred days ago."""
    from django.db import transaction

    from waystation.access.queries import system_authority
    from waystation.evidence.actions import NewEntry, record

    by, at = system_authority("bench"), now - timedelta(days=100)
    with transaction.atomic():
        for site in sites:
            facts = {"from": "commissioning", "to": "active"}
            record([], entry=NewEntry("registry.site_state", site.pk, by, at, site.pk, facts=facts))


def _keep(sites: Any, spaces: Any, now: Any) -> None:
    """The kept days of every site, as the keeper writes them."""
    from random import Random

    from waystation.telemetry import touched
    from waystation.telemetry.hour_judging import hour_of
    from waystation.telemetry.hours import counted_to, day_of, filled
    from waystation.telemetry.models import KeptDay, KeptUpTo
    from waystation.telemetry.rules.hours import DAY_HOURS, HOUR_US, WHOLE, Split, between, members, with_hours

    chance, until = Random(7), hour_of(counted_to(now))
    inside: dict[Any, list[str]] = {}
    for space in spaces:
        inside.setdefault(space.site_id, []).append(str(space.pk))
    for day in range(until // DAY_HOURS - DAYS, until // DAY_HOURS + 1):
        hours = between(0, until - day * DAY_HOURS)
        rows = []
        for site in sites:
            found = {s: dict.fromkeys(members(hours), WHOLE) for s in inside[site.pk]}
            for splits in found.values():
                if splits and chance.random() < 0.02:
                    splits[chance.choice(members(hours))] = Split(HOUR_US // 2, 0)
                if splits and chance.random() < 0.002:
                    splits[chance.choice(members(hours))] = Split(0, HOUR_US)
            rows.append(filled(KeptDay(site=site, day=day_of(day)), hours, with_hours({}, hours, found)))
        KeptDay.objects.bulk_create(rows, batch_size=500)
    here = touched.here()
    KeptUpTo.objects.create(
        file=here.file, offset=here.offset, entry=here.entry, remembered=list(here.remembered), writes=1
    )


def _newest(at_s: float) -> dict[str, float]:
    return {
        "at_s": at_s - 30,
        "value": 5.0,
        "changed_s": at_s - 90,
        "longest_flat_s": 60.0,
        "trend_per_h": 0.0,
        "beyond_usual_c": 0.0,
    }


if __name__ == "__main__":
    main()
