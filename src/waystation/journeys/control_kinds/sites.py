"""What decides about sites: targets, gates before the first day, waivers, models, and what is not taken in."""

from __future__ import annotations

from datetime import datetime

from waystation.fleet.models import Check, Drift, Drill
from waystation.journeys.control_kinds.control import NO_REASON, Control, Found, Proof, newest
from waystation.registry.models import DeviceModel, MappingRule, ServiceClass, Site, Template
from waystation.service_levels.rules.tier import TARGETS


def class_targets(now: datetime) -> Found:
    """Each service class with its targets."""
    for row in ServiceClass.objects.order_by("rank", "code"):
        last = newest(Drill.objects.filter(site__service_class=row).select_related("site"), "at")
        result = "survived" if last and last.survived else "did not survive"
        names = ", ".join(f"{name.replace('_', ' ')} {getattr(row, name):g}" for name in TARGETS)
        yield Control(
            "class_target",
            str(row.pk),
            f"Service class {row.code}, {row.name}",
            f"{names}; {Site.objects.filter(service_class=row).count()} sites",
            NO_REASON,
            "service manager",
            Proof(last.at, f"drill at {last.site.name}: {last.function.replace('_', ' ')} {result}") if last else None,
            entries=("registry.service_class_", "registry.imported"),
            link="/overview/targets/",
        )


def site_gates(now: datetime) -> Found:
    """Each mandatory check of a published template: no site opens without it."""
    for row in Template.objects.exclude(published_at=None).order_by("kind", "version"):
        for check in row.checklist:
            if not check.get("mandatory", True):
                continue
            done = Check.objects.filter(onboarding__template=row, key=check["key"]).exclude(at=None)
            last = newest(done.select_related("onboarding__site"), "at")
            yield Control(
                "site_gate",
                str(row.pk),
                f"{row.name} {row.version}, {check['words']}",
                f"a site opens only when this is shown; else: {check.get('fail_action') or 'it stays shut'}",
                f"the reference architecture {row.name} demands it before the first day",
                "who signs sites",
                Proof(last.at, f"{last.state} at {last.onboarding.site.name}") if last and last.at else None,
                approved_at=row.published_at,
                entries=("registry.template_published",),
                link="/onboarding/",
            )


def waivers(now: datetime) -> Found:
    """Everything that a site may be without, or may differ in, until an instant."""
    rows = Drift.objects.filter(resolution="waived", waived_until__gt=now).select_related("site")
    for row in rows.order_by("waived_until"):
        yield Control(
            "waiver",
            str(row.pk),
            f"Waiver of {row.expected.replace('_', ' ')} at {row.site.name}",
            f"{row.kind.replace('_', ' ')} until {row.waived_until:%Y-%m-%d %H:%M} UTC",
            row.reason or NO_REASON,
            "service manager",
            entries=("fleet.component_waived", "fleet.drift_ended"),
            link=f"/onboarding/{row.site.code}/",
        )


def device_models(now: datetime) -> Found:
    """Each make and model that may not be used as it likes: deprecated, banned, or bound to firmware."""
    for row in DeviceModel.objects.order_by("maker", "name"):
        bounds = {"at least": row.firmware_minimum, "target": row.firmware_target}
        said = [f"{words} {value}" for words, value in bounds.items() if value]
        said += [f"never {', '.join(row.firmware_blocked)}"] if row.firmware_blocked else []
        if row.standing == "approved" and not said:
            continue
        last = newest(Drift.objects.filter(device__model=row).select_related("site"), "seen_at")
        yield Control(
            "device_model",
            str(row.pk),
            f"{row.maker} {row.name}",
            ", ".join([row.standing, *(f"firmware {words}" for words in said)]),
            NO_REASON,
            "IT",
            Proof(last.seen_at, f"showed drift at {last.site.name}") if last else None,
            entries=("registry.device_model_",),
        )


def ignored_series(now: datetime) -> Found:
    """Each rule by which written series are not taken in."""
    for row in MappingRule.objects.filter(is_live=True, sensor=None, sensor_tag="").select_related("site"):
        tags = ", ".join(f"{name}={value}" for name, value in sorted(row.tags.items()))
        what = " ".join(filter(None, (row.measurement or "any measurement", row.field, tags)))
        yield Control(
            "ignored_series",
            str(row.pk),
            f"Series ignored at {row.site.name}",
            what,
            row.reason or NO_REASON,
            "IT",
            entries=("registry.mapping_rule_", "telemetry.series_"),
            link=f"/sites/{row.site.code}/",
        )
