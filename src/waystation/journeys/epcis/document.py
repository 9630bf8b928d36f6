"""An EPCIS 2.0 document of a period: custody of units, steps of lots, excursions, and each sensor's day, in JSON-LD.

Events are written as they are read. Records without a GS1 key have a stated urn and are listed at the document's end.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any

import numpy as np

from waystation.evidence import queries as evidence
from waystation.journeys.epcis import mapping
from waystation.journeys.epcis.event_id import NAMESPACE
from waystation.journeys.epcis.names import Names
from waystation.journeys.lot_steps import PERMISSION, check_period, steps
from waystation.kernel.authority import Authority
from waystation.registry.models import Site, Space
from waystation.spares import queries as spares
from waystation.spares.models import Custody
from waystation.telemetry import queries as telemetry
from waystation.telemetry.proving import all_corrected, columns_of, corrections, judging_sensors

CONTEXT = "https://ref.gs1.org/standards/epcis/2.0.0/epcis-context.jsonld"
AT_ONCE = 500
DAY = timedelta(days=1)


def as_document(found: Iterable[mapping.Event], names: Names, now: datetime) -> Iterator[bytes]:
    """The document of these events in pieces; `names` knows by the end which records have no key."""
    head = {"@context": [CONTEXT, {"waystation": NAMESPACE}], "type": "EPCISDocument", "schemaVersion": "2.0"}
    head |= {"creationDate": mapping.moment(now), "waystation:schema": mapping.SCHEMA}
    yield (json.dumps(head, ensure_ascii=False)[:-1] + ', "epcisBody": {"eventList": [').encode()
    for number, event in enumerate(found):
        yield f"{',' if number else ''}\n{json.dumps(event, ensure_ascii=False)}".encode()
    gaps = json.dumps(names.listed(), ensure_ascii=False)
    yield f'\n]}}, "waystation:gaps": {gaps}}}\n'.encode()


def events(by: Authority, start: datetime, end: datetime, names: Names) -> Iterator[mapping.Event]:
    """Every event of [start, end) at the sites that the caller may prove. What is not at a site needs all of them."""
    check_period(start, end)
    lots = steps(by, start, end)
    return _events(by, start, end, names, (mapping.of_lot(step, names) for step in lots))


def _events(
    by: Authority, start: datetime, end: datetime, names: Names, lots: Iterable[mapping.Event]
) -> Iterator[mapping.Event]:
    allowed = by.sites(PERMISSION)
    yield from _custody(start, end, names, allowed)
    yield from lots
    sites = Site.objects.order_by("code") if allowed is None else Site.objects.filter(pk__in=allowed).order_by("code")
    for site in sites:
        rows = telemetry.excursions_ever(site.pk, start, end)
        yield from (mapping.of_excursion(row, names) for row in rows)
        for space in Space.objects.filter(site=site).select_related("site", "profile").order_by("code"):
            yield from _readings(space, start, end, names)


def _custody(start: datetime, end: datetime, names: Names, allowed: frozenset[str] | None) -> Iterator[mapping.Event]:
    rows = iter(spares.custody_between(start, end).iterator(AT_ONCE))
    while some := list(islice(rows, AT_ONCE)):
        sites = evidence.sites_of({str(row.unit_id) for row in some}, {row.at for row in some})
        first = spares.first_custody({row.unit_id for row in some})
        names.learn("unit", {row.unit_id for row in some})
        for row in some:
            at = sites.get((str(row.unit_id), row.at)) or ""
            if allowed is None or at in allowed:
                yield _handed(row, names, at, first[row.unit_id] == row.pk)


def _handed(row: Custody, names: Names, site_id: str, is_first: bool) -> mapping.Event:
    if not site_id:
        names.gaps["custody", str(row.pk)] = f"{row.unit.serial}, {row.state}: no site is recorded"
    return mapping.of_custody(row, names, site_id=site_id, is_first=is_first)


def _readings(space: Space, start: datetime, end: datetime, names: Names) -> Iterator[mapping.Event]:
    """Each judging sensor by days of UTC; a day without a usable reading has no event."""
    sensors = judging_sensors(space, start, end) if space.profile is not None else []
    added = corrections(sensors)
    for day_start, day_end in _days(start, end) if sensors else ():
        stored = columns_of(space, sensors, day_start, day_end)
        for sensor in sensors:
            held = stored.get(sensor.code)
            if held is None:
                continue
            inside = (held.observed_us >= _us(day_start)) & (held.observed_us < _us(day_end))
            values = all_corrected(held, added[sensor.code])[inside]
            usable = values[np.isfinite(values)]
            if len(usable):
                yield mapping.of_readings(space, sensor.pk, day_start, day_end, _figures(usable), names)


def _figures(usable: Any) -> dict[str, float]:
    """Of the readings as they are judged, each once: the mean is of readings, not of time."""
    found = {"min": usable.min(), "max": usable.max(), "mean": usable.mean()}
    return {name: round(float(value), 3) for name, value in found.items()} | {"count": float(len(usable))}


def _days(start: datetime, end: datetime) -> Iterator[tuple[datetime, datetime]]:
    at = start.astimezone(UTC)
    while at < end:
        midnight = at.replace(hour=0, minute=0, second=0, microsecond=0) + DAY
        yield at, min(midnight, end)
        at = midnight


def _us(at: datetime) -> int:
    return round(at.timestamp() * 1e6)
