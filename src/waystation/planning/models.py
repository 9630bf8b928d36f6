"""Failure history and its files, what is expected ahead, plans with their lines, live points and their changes."""

from __future__ import annotations

from django.db import models

from waystation.evidence.rows import Row, state_field
from waystation.kernel import states

HISTORY = [("ticket", "ticket"), ("rma", "RMA"), ("emergency", "emergency shipment"), ("own", "own record")]
AHEAD = [(k, k.replace("_", " ")) for k in ("context", "defect_window", "rollout", "dated_work")]


class HistoryFile(Row):
    """One file of failure history taken in, with its data-quality report; undone, its rows count no more."""

    kind = models.CharField(max_length=12, choices=HISTORY)
    file_name = models.CharField(max_length=200)
    sha256 = models.CharField(max_length=64)
    by_id = models.UUIDField()
    at = models.DateTimeField(db_index=True)
    report = models.JSONField(default=dict)
    rows = models.PositiveIntegerField(default=0)
    digest = models.CharField(max_length=64)  # over every row taken in
    undone_at = models.DateTimeField(null=True, blank=True)
    undone_by = models.UUIDField(null=True, blank=True)

    class Meta:
        ordering = ["-at"]
        constraints = [
            models.UniqueConstraint(
                fields=["kind", "sha256"], condition=models.Q(undone_at=None), name="one_live_history_file"
            )
        ]


class Failure(Row):
    """One need for a part: when, where (region), of what (family), how it failed, and what was told about it."""

    file = models.ForeignKey(HistoryFile, on_delete=models.PROTECT, related_name="failures")
    kind = models.CharField(max_length=12, choices=HISTORY)
    external_id = models.CharField(max_length=120)
    at = models.DateTimeField(db_index=True)
    region = models.SlugField()
    family = models.SlugField()
    mode = models.SlugField(blank=True)
    quantity = models.PositiveSmallIntegerField(default=1)
    facts = models.JSONField(default=dict, blank=True)
    is_live = models.BooleanField(default=True)

    class Meta:
        ordering = ["at", "id"]
        indexes = [models.Index(fields=["region", "family"], name="failures_by_group")]
        constraints = [
            models.UniqueConstraint(
                fields=["kind", "external_id"], condition=models.Q(is_live=True), name="one_live_failure_per_id"
            )
        ]


class Expectation(Row):
    """Something known ahead that moves demand: business context, a defect window, a rollout, dated work.

    Empty `region` or `family` is every one. `factor` times the demand of `part` (0 to 1) of the base for context and
    defect windows; `units` come (rollout, negative: go) or need a part with `chance` each (dated work) at `from_at`.
    """

    kind = models.CharField(max_length=16, choices=AHEAD)
    name = models.CharField(max_length=120)
    region = models.SlugField(blank=True)
    family = models.SlugField(blank=True)
    model = models.CharField(max_length=80, blank=True)
    revision = models.CharField(max_length=16, blank=True)
    from_at = models.DateTimeField()
    until = models.DateTimeField(null=True, blank=True)
    factor = models.FloatField(default=1.0)
    part = models.FloatField(default=1.0)
    units = models.IntegerField(default=0)
    chance = models.FloatField(default=1.0)
    reason = models.CharField(max_length=400)
    by_id = models.UUIDField()
    at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["from_at", "id"]


class Plan(Row):
    """A proposed policy: its lines under one digest, approved by somebody else, applied, superseded."""

    number = models.PositiveIntegerField(unique=True)
    state = state_field(states.choices("plan"), "proposed")
    source = models.CharField(max_length=12)  # proposal | nightly | question | rollback
    digest = models.CharField(max_length=64)
    inputs = models.JSONField(default=dict)  # cover, history, lead times: what the lines were made from
    reason = models.CharField(max_length=400)
    proposed_by = models.UUIDField()
    proposed_at = models.DateTimeField()
    expires_at = models.DateTimeField()  # without approval until then it lapses
    approved_by = models.UUIDField(null=True, blank=True)
    approved_at = models.DateTimeField(null=True, blank=True)
    approval_reason = models.CharField(max_length=400, blank=True)
    applied_by = models.UUIDField(null=True, blank=True)
    applied_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-number"]


class PlanLine(Row):
    """One shelf of a plan: the point before and after, why, and every figure behind it."""

    plan = models.ForeignKey(Plan, on_delete=models.PROTECT, related_name="lines")
    hub_id = models.UUIDField()
    hub = models.SlugField()
    group = models.SlugField()
    before_point = models.SmallIntegerField(null=True, blank=True)  # None: no point yet
    before_level = models.PositiveSmallIntegerField(null=True, blank=True)
    reorder_point = models.SmallIntegerField()
    order_up_to = models.PositiveSmallIntegerField()
    reason = models.CharField(max_length=400)
    figures = models.JSONField(default=dict)

    class Meta:
        ordering = ["hub", "group"]
        constraints = [models.UniqueConstraint(fields=["plan", "hub_id", "group"], name="one_line_per_shelf")]


class PolicyPoint(Row):
    """The live policy of a part group at a hub, with the forecast that it stands on."""

    hub_id = models.UUIDField()
    hub = models.SlugField()
    group = models.SlugField()
    reorder_point = models.SmallIntegerField()
    order_up_to = models.PositiveSmallIntegerField()
    floor = models.PositiveSmallIntegerField(default=0)
    figures = models.JSONField(default=dict)
    changed_at = models.DateTimeField()
    computed_at = models.DateTimeField()
    lower_since = models.DateTimeField(null=True, blank=True)
    plan = models.ForeignKey(Plan, on_delete=models.PROTECT, related_name="points")

    class Meta:
        ordering = ["hub", "group"]
        constraints = [models.UniqueConstraint(fields=["hub_id", "group"], name="one_point_per_shelf")]


class PolicyChange(Row):
    """A point changed: from what to what, by which plan, why. Only ever added."""

    point = models.ForeignKey(PolicyPoint, on_delete=models.PROTECT, related_name="changes")
    plan = models.ForeignKey(Plan, on_delete=models.PROTECT, related_name="changes")
    at = models.DateTimeField(db_index=True)
    before_point = models.SmallIntegerField(null=True, blank=True)
    before_level = models.PositiveSmallIntegerField(null=True, blank=True)
    reorder_point = models.SmallIntegerField()
    order_up_to = models.PositiveSmallIntegerField()
    reason = models.CharField(max_length=400)
    figures = models.JSONField(default=dict)
    by_id = models.UUIDField()

    class Meta:
        ordering = ["at", "id"]
