"""The names that each site's sensors go by and its mapping rules, read once and again whenever one was changed."""

from __future__ import annotations

from collections.abc import Collection
from uuid import UUID

from waystation.registry.models import MappingRule, Sensor, SensorAlias, Site
from waystation.telemetry import setup
from waystation.telemetry.models import Series
from waystation.telemetry.rules import mapping
from waystation.telemetry.rules.mapping import SiteNames, Target

_VERBS = ("created", "changed", "removed")
KINDS = (
    *(f"registry.{kind}_{verb}" for kind in ("sensor", "sensor_alias", "mapping_rule") for verb in _VERBS),
    "registry.site_created",
    "registry.imported",
    "registry.import_undone",
)
MOST_WAITING = 2000  # series of a site that nobody has mapped


class Names:
    """What one process knows of the sites' names. Ask `follow` before a piece of work."""

    def __init__(self) -> None:
        self._marker = setup.NEVER
        self._sites: dict[UUID, SiteNames] = {}
        self._codes: dict[str, UUID] = {}
        self._waiting: dict[UUID, set[str]] = {}
        self._unjudged: dict[UUID, set[str]] = {}  # let in and not yet seen in the list

    def follow(self) -> None:
        """Forget what was read, if any name or rule was changed since."""
        marker = setup.marker(KINDS)
        if marker != self._marker:
            self._sites, self._codes, self._marker = {}, dict(Site.objects.values_list("code", "pk")), marker

    def of(self, site_id: UUID) -> SiteNames:
        """The names of one site."""
        if site_id not in self._sites:
            self._sites[site_id] = read([site_id])[site_id]
        return self._sites[site_id]

    def site_ids(self) -> Collection[UUID]:
        """Every site there is."""
        return self._codes.values()

    def site_of(self, code: str) -> UUID | None:
        """The site of that code."""
        return self._codes.get(code)

    def has_room(self, site_id: UUID, code: str) -> bool:
        """True when the series waits already at the site, or one more may."""
        known = self._waiting.get(site_id)
        if known is None or (code not in known and len(known) >= MOST_WAITING):
            known = self._listed(site_id)
        if code not in known:
            if len(known) >= MOST_WAITING:
                return False
            known.add(code)
            self._unjudged.setdefault(site_id, set()).add(code)
        return True

    def _listed(self, site_id: UUID) -> set[str]:
        """What waits at the site by the list, and what was let in and has not reached it."""
        seen = dict(Series.objects.filter(site_id=site_id).values_list("code", "uncopied_since_us"))
        unjudged = self._unjudged[site_id] = self._unjudged.get(site_id, set()) - set(seen)
        found = {code for code, since_us in seen.items() if since_us is not None} | unjudged
        self._waiting[site_id] = found
        return found


def read(site_ids: Collection[UUID]) -> dict[UUID, SiteNames]:
    """The names of some sites, with three queries. An id goes before a code, a code before an alias."""
    sensors: dict[UUID, dict[str, Target]] = {key: {} for key in site_ids}
    rules: dict[UUID, list[mapping.Rule]] = {key: [] for key in site_ids}
    for alias in SensorAlias.objects.filter(site_id__in=site_ids, is_live=True, sensor__removed_at=None).select_related(
        "sensor"
    ):
        sensors[alias.site_id][alias.alias] = target_of(alias.sensor)
    for sensor in Sensor.objects.filter(site_id__in=site_ids, removed_at=None):
        sensors[sensor.site_id][sensor.code] = sensors[sensor.site_id][str(sensor.pk)] = target_of(sensor)
    for row in MappingRule.objects.filter(site_id__in=site_ids, is_live=True).select_related("sensor"):
        if row.sensor is None or row.sensor.removed_at is None:
            rules[row.site_id].append(rule_of(row))
    return {key: SiteNames(sensors[key], mapping.in_turn(rules[key])) for key in site_ids}


def target_of(sensor: Sensor) -> Target:
    """A sensor as readings go to it."""
    return Target(sensor.code, sensor.quantity, sensor.unit)


def rule_of(row: MappingRule) -> mapping.Rule:
    """A rule of the registry as it decides."""
    tags = tuple(sorted(row.tags.items()))
    sensor = row.sensor.code if row.sensor else ""
    return mapping.Rule(row.measurement, tags, row.field, sensor, row.sensor_tag, str(row.pk))
