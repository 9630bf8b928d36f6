"""What decides about records: limits that judge product, how long records are kept, who outside has seen the log."""

from __future__ import annotations

from datetime import datetime

from waystation.evidence import witnesses
from waystation.evidence.models import Cosignature, Hold
from waystation.journeys.control_kinds.control import Control, Found, Proof, newest
from waystation.registry.models import ProductProfile, Space
from waystation.telemetry.models import Excursion, Removal, RetentionPolicy

LOOKED_AT = 500


def profile_limits(now: datetime) -> Found:
    """Every edition of a product profile that judges a space, or that QA approved."""
    judging = set(Space.objects.exclude(profile=None).values_list("profile_id", flat=True))
    for row in ProductProfile.objects.order_by("code", "edition"):
        if row.pk not in judging and row.approved_at is None:
            continue
        last = newest(Excursion.objects.filter(profile_id=row.pk).select_related("site"), "detected_at")
        memory = "" if row.read else " (written from memory: check before quoting)"
        yield Control(
            "profile_limit",
            str(row.pk),
            f"{row.name}, edition {row.edition}",
            f"{row.low_c:g} to {row.high_c:g} °C, guard band {row.guard_band_c:g} K",
            f"{', '.join(filter(None, (row.source, row.clause)))}{memory}",
            "QA",
            Proof(last.detected_at, f"judged an excursion at {last.site.name}") if last else None,
            row.approved_by,
            row.approved_at,
            ("registry.profile_approved",) if row.approved_at else (),
            "/set-up/",
        )


def retention(now: datetime) -> Found:
    """Every approved policy of how long readings are kept."""
    taken = list(Removal.objects.order_by("-at", "-pk")[:LOOKED_AT])
    for row in RetentionPolicy.objects.filter(state="approved").select_related("service_class"):
        last = next((one for one in taken if row.name in one.rules), None)
        kept = "for ever" if row.for_ever else f"{row.keep_years} years, {row.keep_days} days"
        yield Control(
            "retention_policy",
            str(row.pk),
            row.name,
            f"readings of {row.service_class.name if row.service_class else 'all classes'}: {kept}",
            f"{row.source}: {row.clause}",
            "QA",
            Proof(last.at, f"took {last.removed} readings from a segment") if last else None,
            row.approved_by,
            row.approved_at,
            ("telemetry.retention_approved",),
            "/evidence/keeping/",
        )


def holds(now: datetime) -> Found:
    """Every hold on records that stands."""
    for row in Hold.objects.filter(lifted_at=None):
        yield Control(
            "record_hold",
            str(row.pk),
            f"Hold on {row.subject} {row.name}",
            "its records stay whole until two people lift it",
            row.reason,
            "QA",
            None,
            row.placed_by,
            row.placed_at,
            ("evidence.hold_placed",),
            "/evidence/keeping/",
        )


def witness_policy(now: datetime) -> Found:
    """Who outside must have seen the log."""
    own, last = witnesses.configured(), newest(Cosignature.objects.all(), "at")
    yield Control(
        "witness_policy",
        "witnesses",
        "Witnesses of the log",
        f"{own.quorum} of {len(own.witnesses)} cosign each head; packs {'wait' if own.regulated else 'do not wait'}",
        "a log that nobody outside has seen can be written anew by who runs it",
        "who runs the platform",
        Proof(last.at, f"{last.witness} cosigned {last.size} entries of {last.log}") if last else None,
    )
