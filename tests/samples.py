"""Small records for tests, saved as they are: a network, a class, sites, spaces, devices, sensors."""

from __future__ import annotations

from typing import Any

from waystation.evidence.actions import name_log
from waystation.registry import models as m


def a_network() -> m.Network:
    """The one network of the tests."""
    return m.Network.objects.get_or_create(slug="iberia", defaults={"name": "Iberia"})[0]


def a_service_class(code: str = "A", *, save: bool = True, **changes: Any) -> Any:
    """A class with every target a number; `save=False` gives its columns."""
    values: dict[str, Any] = {
        "code": code,
        "name": f"Class {code}",
        "rank": 1,
        "monitoring_availability_pct": 99.5,
        "detect_within_s": 300,
        "page_delay_s": 600,
        "acknowledge_within_s": 900,
        "recovery_h": 4.0,
        "remote_management_h": 1.0,
        "tolerable_outage_h": 4.0,
        "vendor_response_h": 4.0,
        "retention_days": 1826,
        "cover_probability": 0.97,
    } | changes
    return m.ServiceClass.objects.get_or_create(code=code, defaults=values)[0] if save else values


def a_template(kind: str = "cold-chain-node") -> m.Template:
    """A published template with no demands."""
    return m.Template.objects.get_or_create(kind=kind, version=1, defaults={"name": "Node"})[0]


def a_site(code: str = "cordoba", **changes: Any) -> m.Site:
    """A site in Córdoba, active unless changed."""
    found = m.Site.objects.filter(code=code).first()
    if found:
        return found
    values: dict[str, Any] = {
        "name": code.capitalize(),
        "network": a_network(),
        "template": a_template(),
        "service_class": a_service_class(),
        "state": "active",
        "city": "Córdoba",
        "country": "ES",
        "lat": 37.88,
        "lon": -4.78,
        "zone": "Europe/Madrid",
    } | changes
    site = m.Site.objects.create(code=code, **values)
    name_log(site.pk, site.network.slug)
    return site


def a_profile(code: str = "vaccine", **changes: Any) -> m.ProductProfile:
    """2 to 8 °C, judged by product probes."""
    values: dict[str, Any] = {
        "name": "Vaccine 2 to 8",
        "low_c": 2.0,
        "high_c": 8.0,
        "settle_s": 3600,
        "judging_roles": ["product"],
        "source_classes": ["signed_batch", "authenticated_connection"],
        "source": "WHO",
    } | changes
    return m.ProductProfile.objects.get_or_create(code=code, edition=1, defaults=values)[0]


def a_space(site: str = "cordoba", code: str = "fridge-1", **changes: Any) -> m.Space:
    """A fridge with a profile."""
    values: dict[str, Any] = {
        "name": code.capitalize(),
        "kind": "fridge",
        "profile": a_profile(),
        "capacity_l": 100.0,
    } | changes
    return m.Space.objects.get_or_create(site=a_site(site), code=code, defaults=values)[0]


def a_model(name: str = "GW-100", component_class: str = "gateway", **changes: Any) -> m.DeviceModel:
    """An approved model."""
    return m.DeviceModel.objects.get_or_create(
        maker="Acme", name=name, defaults={"component_class": component_class} | changes
    )[0]


def a_device(site: str = "cordoba", name: str = "gw-1", **changes: Any) -> m.Device:
    """A live device."""
    values: dict[str, Any] = {"component_class": "gateway", "model": a_model(), "serial": f"SN-{site}-{name}"} | changes
    return m.Device.objects.get_or_create(site=a_site(site), name=name, defaults=values)[0]


def a_sensor(space: m.Space, code: str = "probe-1", **changes: Any) -> m.Sensor:
    """A product probe at a minute."""
    values: dict[str, Any] = {"name": code, "quantity": "temperature", "unit": "degC", "role": "product"} | changes
    return m.Sensor.objects.get_or_create(
        code=f"{space.site.code}.{space.code}.{code}", defaults={"site": space.site, "space": space} | values
    )[0]


def two_paths(site: m.Site) -> None:
    """A primary by fibre and a backup by radio, of two providers."""
    for path, medium, code in (("primary", "fibre", "iberlink"), ("backup", "lte", "nevasur")):
        vendor = m.Vendor.objects.get_or_create(code=code, defaults={"name": code, "kind": "carrier"})[0]
        m.Circuit.objects.create(site=site, code=f"{site.code}-{path}", vendor=vendor, path=path, medium=medium)
