"""Each kind of control: which stand now, why they exist, who owns them, and what shows that they work.

A reason is what the record says; of a rule that ships it is what the platform was built for. A record without one says
so. A proof is a record of a test, or of the control at real work.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime

from waystation.journeys.control_kinds import alarming, people, records, sites, stock
from waystation.journeys.control_kinds.control import Found

# every kind in words, and what lists those that count
KINDS: Mapping[str, tuple[str, Callable[[datetime], Found]]] = {
    "profile_limit": ("limits of product profiles", records.profile_limits),
    "matrix_row": ("rows of the severity matrix", alarming.matrix_rows),
    "escalation": ("escalation", alarming.escalations),
    "suppression": ("suppressions of alarms", alarming.suppressions),
    "gated_step": ("gated steps of runbooks", people.gated_steps),
    "site_gate": ("gate of a new site", sites.site_gates),
    "waiver": ("waivers", sites.waivers),
    "class_target": ("targets of service classes", sites.class_targets),
    "sourcing_chain": ("chains of sourcing", stock.sourcing_chains),
    "device_model": ("models and firmware", sites.device_models),
    "ignored_series": ("series that are not taken in", sites.ignored_series),
    "guard_rail": ("guard rails of planning", stock.guard_rails),
    "retention_policy": ("retention policies", records.retention),
    "record_hold": ("holds on records", records.holds),
    "witness_policy": ("witnesses of the log", records.witness_policy),
    "separation": ("separation of roles", people.separations),
    "session_limit": ("limit of vendor sessions", people.session_limit),
}
