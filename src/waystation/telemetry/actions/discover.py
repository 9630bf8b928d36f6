"""Answers to the discovery list: a series is a sensor's, with its past, or it is ignored by rule."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from waystation.kernel.authority import Authority
from waystation.kernel.refusals import BadInput
from waystation.registry.actions import create
from waystation.registry.models import MappingRule, Sensor
from waystation.registry.queries import one
from waystation.telemetry.discovery import give, series_unknown, unit_doubt
from waystation.telemetry.models import Series
from waystation.telemetry.names import target_of


def adopt(by: Authority, series_id: UUID, sensor_id: UUID, *, now: datetime, reason: str = "") -> int:
    """The series is this sensor of its site from now on, with what it brought in the last 14 days.

    Returns how many readings the sensor got at once. After a crash the worker gives them.
    """
    row = _seen(series_id)
    by.require("registry.write", row.site_id)
    sensor = one(Sensor, sensor_id)
    target = target_of(sensor)
    if doubt := unit_doubt(target, row.field):
        raise BadInput(
            "telemetry.series_unit",
            f"{doubt[0].upper()}{doubt[1:]}.",
            "Correct the sensor's unit, or choose another sensor.",
            field="sensor_id",
            value=sensor.unit,
        )
    _rule(by, row, now, {"sensor": sensor, "reason": reason})
    return give(by, row.pk, target, now=now)


def ignore(by: Authority, series_id: UUID, *, now: datetime, reason: str) -> MappingRule:
    """What the series brings is dropped from now on, and it leaves the list; the rule can be ended again."""
    row = _seen(series_id)
    by.require("registry.write", row.site_id)
    return _rule(by, row, now, {"reason": reason})


def _rule(by: Authority, row: Series, now: datetime, words: dict[str, object]) -> MappingRule:
    series = {"site": row.site, "measurement": row.measurement, "tags": row.tags, "field": row.field}
    made = create(by, "mapping_rule", {**series, **words}, now=now)
    assert isinstance(made, MappingRule)
    return made


def _seen(series_id: UUID) -> Series:
    row = Series.objects.select_related("site").filter(pk=series_id).first()
    if row is None:
        raise series_unknown(series_id)
    return row
