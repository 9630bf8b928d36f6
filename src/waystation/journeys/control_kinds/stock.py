"""What decides about stock: the rails of planning and the chains of sourcing."""

from __future__ import annotations

from dataclasses import fields
from datetime import datetime

from waystation.journeys.control_kinds.control import Control, Found, Proof, newest
from waystation.journeys.plan import RAILS
from waystation.kernel.units import duration_text
from waystation.planning.models import Plan
from waystation.spares.models import Round, SourcingRule


def guard_rails(now: datetime) -> Found:
    """What the nightly recomputation of stock policy may not do alone."""
    last = newest(Plan.objects.filter(source__in=("nightly", "question")), "proposed_at")
    for field in fields(RAILS):
        value = getattr(RAILS, field.name)
        shown = duration_text(value.total_seconds()) if hasattr(value, "total_seconds") else f"{value:g}"
        yield Control(
            "guard_rail",
            f"planning {field.name}",
            f"Planning, {field.name.replace('_', ' ')}",
            shown,
            "a point changes by night only within rails; beyond them a person is asked (ADR 50)",
            "planner",
            Proof(last.proposed_at, f"plan {last.number} was held against the rails") if last else None,
            link="/planning/plans/",
        )


def sourcing_chains(now: datetime) -> Found:
    """The pre-approved chain of each service class."""
    last = newest(Round.objects.all(), "at")
    for row in SourcingRule.objects.order_by("service_class"):
        links = " then ".join("/".join(link.get("channels", ())) for link in row.chain) or "no channel"
        yield Control(
            "sourcing_chain",
            str(row.pk),
            f"Sourcing of class {row.service_class}",
            links.replace("_", " "),
            "what is in time and within its sum is sourced without asking again",
            "service manager",
            Proof(last.at, "a round of sourcing was decided by the chains") if last else None,
            row.approved_by,
            row.approved_at,
            ("spares.chain_approved",) if row.approved_at else (),
            "/set-up/",
        )
