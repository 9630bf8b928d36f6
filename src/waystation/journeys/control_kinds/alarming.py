"""What decides about alarms: the matrix, escalation, and what keeps them quiet."""

from __future__ import annotations

from datetime import datetime

from waystation.access.rules import ROLE_WORDS
from waystation.alarms.models import Alarm, EscalationPolicy, MatrixVersion, RouteTest, Suppression
from waystation.alarms.situation import matrix_in_force
from waystation.journeys.control_kinds.control import NO_REASON, Control, Found, Proof, newest


def matrix_rows(now: datetime) -> Found:
    """Every row of the severity matrix in force."""
    number, rows = matrix_in_force()
    edition = MatrixVersion.objects.filter(number=number).first()
    for row in rows:
        last = newest(Alarm.objects.filter(row_slug=row.slug).select_related("site"), "raised_at")
        whom = ", ".join(ROLE_WORDS.get(r, r) for r in row.pages) or "nobody"
        yield Control(
            "matrix_row",
            str(edition.pk) if edition else f"shipped matrix, {row.slug}",
            row.slug.replace("_", " "),
            f"{' and '.join(row.when).replace('_', ' ')}: {row.severity.replace('_', ' ')}, pages {whom}",
            f"{row.consequence} {edition.reason if edition else ''}".strip(),
            ROLE_WORDS.get(row.owner, row.owner),
            Proof(last.raised_at, f"raised an alarm at {last.site.name}") if last else None,
            edition.by_id if edition else None,
            edition.at if edition else None,
            ("alarms.matrix_edited",),
        )


def escalations(now: datetime) -> Found:
    """Every escalation policy in force, and the default that the service class gives where there is none."""
    tested = RouteTest.objects.exclude(passed_at=None, failed_at=None).select_related("site")
    everywhere = _route(newest(tested, "at"))
    yield Control(
        "escalation",
        "default escalation",
        "Default escalation",
        "those whom the matrix names, then operator and supervisor, then everybody who answers",
        "an alarm that nobody acknowledges in the time of its service class goes on to others",
        "supervisor",
        everywhere,
    )
    for row in EscalationPolicy.objects.filter(replaced_at=None).select_related("site").order_by("site__name"):
        here = f"at {row.site.name}" if row.site else "at every site"
        roles = " then ".join(", ".join(ROLE_WORDS.get(r, r) for r in level["roles"]) for level in row.levels)
        yield Control(
            "escalation",
            str(row.pk),
            f"Escalation of {row.severity.replace('_', ' ') or 'all alarms'} {here}",
            roles,
            NO_REASON,
            "supervisor",
            _route(newest(tested.filter(site=row.site), "at")) if row.site else everywhere,
            entries=("alarms.policy_set",),
        )


def suppressions(now: datetime) -> Found:
    """Everything that keeps alarms quiet now, or will."""
    for row in Suppression.objects.filter(ends_at__gt=now).select_related("site").order_by("ends_at"):
        what = ", ".join(row.rules).replace("_", " ") or "all alarms"
        yield Control(
            "suppression",
            str(row.pk),
            f"{row.kind.replace('_', ' ').capitalize()} at {row.site.name}",
            f"{what} until {row.ends_at:%Y-%m-%d %H:%M} UTC",
            row.reason,
            "",
            None,
            row.owner_id,
            row.created_at,
            ("alarms.suppressed",),
        )


def _route(last: RouteTest | None) -> Proof | None:
    if last is None:
        return None
    if last.passed_at:
        return Proof(last.passed_at, f"route test at {last.site.name} passed")
    return Proof(last.failed_at or last.at, f"route test at {last.site.name} FAILED: {last.failure}")
