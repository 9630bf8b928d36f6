"""The report of a closed month over 200 sites on the embedded default: measured, written as files, kept and logged.

Sites, spaces and sensors are rows made in bulk, with every hour of the month kept as the keeper of hours writes them;
each site has ten incidents, two vendor windows and five excursions. The peer is writing the same JSON text once.
"""

from __future__ import annotations

import json
import time
from datetime import timedelta
from typing import Any

from benchmarks import pages
from benchmarks.harness import Report, installation, seconds, vendor

SITES, INCIDENTS, WINDOWS, EXCURSIONS = 200, 10, 2, 5


def main() -> None:
    """Fill, report, look again, tell."""
    with installation() as folder:
        from waystation import wiring
        from waystation.access.queries import system_authority
        from waystation.journeys import month_end
        from waystation.service_levels.editions import content
        from waystation.service_levels.rules.month import bounds, settled_at

        now = wiring.clock().now()
        begin = bounds(f"{now:%Y-%m}")[0]
        month = f"{begin - timedelta(days=1):%Y-%m}"
        now = max(now, settled_at(month))
        pages.SITES = SITES
        pages._fill(now)
        _happened(*bounds(month))
        by, report = system_authority("bench"), Report("month_report", vendor())
        report.add("sites", SITES)
        start = time.perf_counter()
        row = month_end.make(by, month, now=now)
        took = time.perf_counter() - start
        report.add("made_s", took)
        report.add("looked_again_s", seconds(lambda: month_end.make(by, month, now=now, again=True)))
        files = {kind: content(row, kind) for kind in ("json", "csv", "pdf")}
        told = json.loads(files["json"])
        assert told["summary"]["sites"] == SITES
        assert len(told["incidents"]) == SITES * INCIDENTS
        assert len(told["excursions"]) >= SITES * EXCURSIONS
        for kind, held in files.items():
            report.add(f"{kind}_kb", len(held) / 1000)
        report.add("json_alone_peer_s", seconds(lambda: (folder / "peer.json").write_bytes(files["json"])))
        report.judge("a month of 200 sites <= 60 s", took <= 60)
        report.keep()


def _happened(start: Any, end: Any) -> None:
    from tests.samples import a_network
    from waystation.incidents.models import Incident
    from waystation.registry.models import Sensor, Site, Vendor
    from waystation.service_levels.models import VendorWindow
    from waystation.telemetry.models import Excursion

    hour, vendor_row = timedelta(hours=1), Vendor.objects.create(code="coolfix", name="Coolfix", kind="refrigeration")
    sites, made, windows, out = list(Site.objects.all()), [], [], []
    probes = {s.site_id: s for s in Sensor.objects.filter(role="product").select_related("space")}
    for place, site in enumerate(sites):
        for n in range(INCIDENTS):
            at = start + hour * (20 + n * 60)
            made.append(
                Incident(network=a_network(), number=place * INCIDENTS + n + 1, site=site, cause="compressor_fault",
                         group="cooling", title="Compressor", priority="P2", opened_at=at, detected_at=at,
                         service_restored_at=at + hour * 3, resolved_at=at + hour * 5, state="resolved")
            )  # fmt: skip
        for n in range(WINDOWS):
            at = start + hour * (100 + n * 200)
            windows.append(VendorWindow(vendor=vendor_row, site=site, what="defrost", planned_start=at,
                                        planned_end=at + hour, started_at=at, ended_at=at + hour / 2))  # fmt: skip
        for n in range(EXCURSIONS):
            at, probe = start + hour * (30 + n * 90), probes[site.pk]
            out.append(
                Excursion(site=site, space=probe.space, sensor=probe, profile_id=probe.space.profile_id,
                          direction="high", limit_c=8.0, started_at=at, detected_at=at + hour / 60,
                          ended_at=at + hour, peak_c=9.4, measured_s=3000.0, unknown_s=0.0)
            )  # fmt: skip
    Incident.objects.bulk_create(made, batch_size=500)
    VendorWindow.objects.bulk_create(windows, batch_size=500)
    Excursion.objects.bulk_create(out, batch_size=500)


if __name__ == "__main__":
    main()
