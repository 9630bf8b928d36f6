"""Reading the inventory."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar
from uuid import UUID

from django.db.models import Model, Q, QuerySet

from waystation.kernel.authority import Authority
from waystation.kernel.refusals import NotFound
from waystation.registry import models as m
from waystation.registry.rules.diversity import Way
from waystation.registry.rules.shipped import SHIPPED, ShippedProfile

T = TypeVar("T", bound=Model)


def one(model: type[T], key: UUID | str, *, by: str = "code", among: QuerySet[T] | None = None) -> T:
    """The record with that id, or with that `by` (code, slug ...); NotFound names what was asked for."""
    rows = model._default_manager.all() if among is None else among
    try:
        row = rows.filter(pk=key if isinstance(key, UUID) else UUID(str(key))).first()
    except ValueError:
        row = rows.filter(**{by: key}).first()
    if row is None:
        name = model._meta.verbose_name
        raise NotFound("registry.unknown", f"There is no {name} {key}.", f"List them to find the right {by}.")
    return row


def sites(authority: Authority, *, permission: str = "registry.read") -> QuerySet[m.Site]:
    """The sites that this principal may see, with class, template and network."""
    rows = m.Site.objects.select_related("service_class", "template", "network")
    where = authority.sites(permission)
    return rows if where is None else rows.filter(pk__in=where)


@dataclass(frozen=True, slots=True)
class SiteLine:
    """A site as a list over the whole network needs it."""

    id: UUID
    code: str
    name: str
    city: str
    state: str


def site_lines(authority: Authority) -> list[SiteLine]:
    """The sites that this principal may see, without what they refer to."""
    return [SiteLine(*row) for row in sites(authority).values_list("pk", "code", "name", "city", "state")]


def site(authority: Authority, key: UUID | str) -> m.Site:
    """One visible site by id or code."""
    return one(m.Site, key, among=sites(authority))


def site_by_code(code: str) -> m.Site:
    """One site by code; for rooms that hold an authority of their own."""
    return one(m.Site, code)


def profile(key: UUID) -> m.ProductProfile:
    """One edition of a product profile."""
    return one(m.ProductProfile, key)


def shipped_profiles() -> list[ShippedProfile]:
    """The profiles that come with the platform and are no record of this network yet."""
    held = set(m.ProductProfile.objects.values_list("code", flat=True))
    return [one for one in SHIPPED if one.code not in held]


def unapproved_profiles() -> list[m.ProductProfile]:
    """Editions that QA has not approved: they prove nothing yet."""
    return list(m.ProductProfile.objects.filter(approved_at=None).order_by("code", "edition"))


def unpublished_templates() -> list[m.Template]:
    """Versions against which no site is measured yet."""
    return list(m.Template.objects.filter(published_at=None).order_by("kind", "version"))


def part_names() -> tuple[dict[str, str], dict[str, str]]:
    """What parts are called: by code, and by interchangeable group (several kinds are joined by "or")."""
    rows = list(m.Part.objects.order_by("name").values_list("code", "group", "name"))
    groups: dict[str, list[str]] = {}
    for _, group, name in rows:
        if name not in groups.setdefault(group, []):
            groups[group].append(name)
    return {code: name for code, _, name in rows}, {group: " or ".join(names) for group, names in groups.items()}


def spaces(site_id: UUID) -> Sequence[m.Space]:
    """The spaces of a site with their profiles."""
    return list(m.Space.objects.filter(site_id=site_id).select_related("profile", "site"))


def space(space_id: UUID) -> m.Space:
    """One space with site and profile."""
    return one(
        m.Space, space_id, among=m.Space.objects.select_related("site__service_class", "site__network", "profile")
    )


def sensors(site_id: UUID) -> Sequence[m.Sensor]:
    """The live sensors of a site."""
    return list(m.Sensor.objects.filter(site_id=site_id, removed_at=None).select_related("space", "device"))


def sensor_by_code(code: str) -> m.Sensor | None:
    """The live sensor of that code."""
    return m.Sensor.objects.filter(code=code, removed_at=None).select_related("site", "space").first()


def device_by_serial(serial: str) -> m.Device | None:
    """The live device of that serial."""
    return m.Device.objects.filter(serial=serial, removed_at=None).select_related("site", "model", "part").first()


def references(kind: str, ids: Iterable[UUID]) -> dict[UUID, list[m.ExternalReference]]:
    """External references by object."""
    found: dict[UUID, list[m.ExternalReference]] = {}
    for row in m.ExternalReference.objects.filter(kind=kind, object_id__in=list(ids)).order_by("system"):
        found.setdefault(row.object_id, []).append(row)
    return found


def ways_of(site_ids: Iterable[UUID]) -> dict[UUID, list[Way]]:
    """The circuits of sites as the diversity rule takes them, by site."""
    found: dict[UUID, list[Way]] = {}
    rows = m.Circuit.objects.filter(site_id__in=list(site_ids)).select_related("vendor").order_by("code")
    for row in rows:
        found.setdefault(row.site_id, []).append(Way(row.code, row.vendor.code, row.medium, row.last_mile))
    return found


def neighbours(site: m.Site) -> list[m.Site]:
    """The active sites of the same city or cluster, of its network: they hang on the same utility, by name."""
    near = Q(city=site.city, country=site.country) | (Q(cluster=site.cluster) if site.cluster else Q(pk=None))
    rows = m.Site.objects.filter(near, network_id=site.network_id, state__in=("active", "commissioning"))
    return list(rows.exclude(pk=site.pk))


def service_classes() -> list[m.ServiceClass]:
    """Every service class, the most critical first."""
    return list(m.ServiceClass.objects.order_by("rank", "code"))


def vendors() -> list[m.Vendor]:
    """Every vendor by name."""
    return list(m.Vendor.objects.order_by("name"))
