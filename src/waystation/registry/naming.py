"""What may stand in an alias or a mapping rule: a live sensor of the same site, and one meaning."""

from __future__ import annotations

from waystation.evidence.rows import Row
from waystation.kernel.refusals import BadInput
from waystation.registry import models as m


def check_names(row: Row) -> None:
    """Refuse an alias or mapping rule that could send one sensor's readings to another; other records pass."""
    if isinstance(row, m.SensorAlias) and row.is_live:
        _check_sensor(row.site, row.sensor, "sensor")
        taken = m.Sensor.objects.filter(code=row.alias, removed_at=None).exclude(pk=row.sensor_id).first()
        if taken is not None:
            raise _bad("alias", row.alias, f"is the code of sensor {taken.code}", "Choose a name that no sensor has.")
    elif isinstance(row, m.MappingRule):
        _check_rule(row)


def _check_rule(row: m.MappingRule) -> None:
    tags = row.tags
    if not isinstance(tags, dict) or not all(isinstance(k, str) and isinstance(v, str) for k, v in tags.items()):
        raise _bad("tags", tags, "is not an object of text values", 'Write {"host": "gw-1"}.')
    if row.sensor is not None:
        _check_sensor(row.site, row.sensor, "sensor")
        if row.sensor_tag:
            raise _bad("sensor_tag", row.sensor_tag, "stands beside a sensor", "Give one of the two.")
        if not row.measurement or not row.field:
            raise _bad(
                "measurement" if not row.measurement else "field",
                "",
                "is empty in a rule for one sensor",
                "Name measurement, all tags and field: several series in one sensor would hide each other's silence.",
            )
    elif not row.sensor_tag and not row.reason.strip():
        raise _bad("reason", "", "is missing in a rule that ignores", "Say why these readings are not needed.")
    elif not (row.measurement or tags or row.field or row.sensor_tag):
        raise _bad("measurement", "", "is empty, as everything else", "Ignore something in particular.")


def _check_sensor(site: m.Site, sensor: m.Sensor, field: str) -> None:
    if sensor.site_id != site.pk or sensor.removed_at is not None:
        raise _bad(field, sensor.code, f"is no live sensor of {site.name}", "Choose one of the site's sensors.")


def _bad(field: str, value: object, what: str, next_step: str) -> BadInput:
    shown = str(value)[:80]
    return BadInput("registry.value", f"{field} {what}: {shown}.", next_step, field=field, value=shown)
