"""What people may not do alone, or at once, or without an end."""

from __future__ import annotations

from datetime import datetime

from waystation.access.rules import ROLE_WORDS, SEPARATED
from waystation.journeys.control_kinds.control import NO_REASON, Control, Found, Proof, newest
from waystation.kernel.units import duration_text
from waystation.runbooks import queries as runbooks
from waystation.runbooks.models import Approval
from waystation.service_levels import sessions
from waystation.service_levels.models import VendorSession


def gated_steps(now: datetime) -> Found:
    """Every step of a runbook in force that waits for another person."""
    for row in runbooks.newest():
        for step in row.data["steps"]:
            if not step.get("gated"):
                continue
            asked = Approval.objects.filter(run__definition__slug=row.slug, step=step["key"]).exclude(decided_at=None)
            last = newest(asked, "decided_at")
            yield Control(
                "gated_step",
                str(row.pk),
                f"{row.data['name']}, {step['title']}",
                "another person approves the exact commands before they run",
                step.get("risk") or NO_REASON,
                "whoever may approve runs",
                Proof(last.decided_at, f"a request was {last.decision}") if last and last.decided_at else None,
                entries=("runbooks.published",),
                link="/approvals/",
            )


def separations(now: datetime) -> Found:
    """Roles that nobody may hold together."""
    for one, other in SEPARATED:
        yield Control(
            "separation",
            f"{one} and {other}",
            f"{ROLE_WORDS[one].capitalize()} and {ROLE_WORDS[other]} are two people",
            "nobody may hold both roles",
            "the first does the work that the second releases",
            "administrator",
        )


def session_limit(now: datetime) -> Found:
    """How long a vendor may stay in."""
    last = newest(VendorSession.objects.filter(ending="by_limit").select_related("site"), "closed_at")
    yield Control(
        "session_limit",
        "vendor sessions",
        "Limit of vendor sessions",
        f"at most {duration_text(sessions.LONGEST.total_seconds())}, then ended as not closed by its owner",
        "a session that nobody closes is a way in that nobody watches",
        "who looks after the site",
        Proof(last.closed_at, f"ended a session at {last.site.name}") if last and last.closed_at else None,
        link="/vendor-sessions/?standing=by_limit",
    )
