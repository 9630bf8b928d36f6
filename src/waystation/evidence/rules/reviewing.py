"""Which entries an audit-trail review looks at, in which group, and what a signature of it covers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from waystation.kernel.canonical import digest

# a kind belongs to the first group of which it begins with a word
GROUPS: Mapping[str, tuple[str, ...]] = {
    "limits and profiles": (
        "registry.product_profile_",
        "registry.profile_approved",
        "registry.service_class_",
        "registry.sensor_",
        "registry.space_",
        "registry.template_",
        "registry.imported",
        "registry.import_undone",
        "service_levels.class_set",
        "fleet.baseline_accepted",
    ),
    "calibrations": ("telemetry.probe_bound", "telemetry.probe_checked", "registry.unit_bound"),
    "verdicts": (
        "telemetry.doubt_decided",
        "telemetry.backup_file",
        "telemetry.hand_reading",
        "product.released",
        "product.rejected",
        "product.transferred",
        "product.deviation_",
        "product.value_stated",
        "incidents.quality_decided",
    ),
    "roles and accounts": (
        "access.role_",
        "access.person_",
        "access.machine_",
        "access.password_set",
        "access.welcome_",
        "access.enrolment_",
        "access.key_",
        "access.erasure_refused",
        "alarms.addresses_forgotten",
    ),
    "suppressions and alarm policy": (
        "alarms.suppress",
        "fleet.component_waived",
        "alarms.matrix_edited",
        "alarms.policy_set",
        "alarms.rotation_",
        "alarms.override_added",
    ),
    "vendor sessions": (
        "service_levels.session_opened",
        "service_levels.session_closed",
        "service_levels.session_not_closed",
    ),
    "policies and holds on records": (
        "telemetry.retention_proposed",
        "telemetry.retention_approved",
        "telemetry.retention_ended",
        "telemetry.segment_thinned",
        "evidence.hold_",
        "runbooks.published",
    ),
}
PREFIXES = tuple(prefix for some in GROUPS.values() for prefix in some)


def group_of(kind: str) -> str:
    """The group of a kind of entry; empty when a review does not look at it."""
    return next((name for name, some in GROUPS.items() if kind.startswith(some)), "")


def list_digest(entries: Sequence[tuple[int, str]]) -> str:
    """What stands for a reviewed list: SHA-256 over each entry's number and leaf hash, in the order of the numbers."""
    return digest([[seq, leaf_hash] for seq, leaf_hash in sorted(entries)])


def signed_digest(statement: Mapping[str, str]) -> str:
    """SHA-256 over the canonical bytes of a signed statement."""
    return digest(dict(statement))
