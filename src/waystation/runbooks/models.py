"""Definitions by version, runs, the journal of their steps, approvals."""

from __future__ import annotations

from django.db import models

from waystation.evidence.rows import Row, state_field
from waystation.kernel import states
from waystation.registry.models import Device, Site, Space


class Definition(Row):
    """A version of a runbook; runs keep the version that they began with."""

    slug = models.SlugField(max_length=60)
    version = models.PositiveIntegerField()
    digest = models.CharField(max_length=64)
    data = models.JSONField()
    by_id = models.UUIDField()
    published_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["slug", "version"], name="one_definition_per_version")]


class Run(Row):
    """One execution for one incident. Waiting is a row, not a thread."""

    definition = models.ForeignKey(Definition, on_delete=models.PROTECT, related_name="runs")
    definition_digest = models.CharField(max_length=64)
    site = models.ForeignKey(Site, on_delete=models.PROTECT, related_name="runs")
    space = models.ForeignKey(Space, on_delete=models.PROTECT, null=True, related_name="runs")
    device = models.ForeignKey(Device, on_delete=models.PROTECT, null=True, related_name="runs")
    incident_id = models.UUIDField(null=True, db_index=True)
    names = models.JSONField(default=dict)  # what {site}, {space}, {device} ... stand for
    state = state_field(states.choices("run"), "proposed")
    reason = models.CharField(max_length=400, blank=True)
    proposed_by = models.UUIDField()
    proposed_at = models.DateTimeField()
    limit_at = models.DateTimeField(db_index=True)
    cancel_asked_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)
    lease_until = models.DateTimeField(null=True)
    fence = models.PositiveIntegerField(default=0)
    beside = frozenset({"lease_until", "fence"})

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["incident_id", "definition"],
                condition=models.Q(ended_at=None) & ~models.Q(incident_id=None),
                name="one_live_run_per_incident",
            )
        ]


class StepJournal(Row):
    """A phase of a step: that it began, and what came of it. Recorded before it is done; never done twice."""

    run = models.ForeignKey(Run, on_delete=models.PROTECT, related_name="journal")
    step = models.CharField(max_length=60)
    phase = models.CharField(max_length=4)  # pre | act | post | undo
    outcome = models.CharField(max_length=8, default="begun")  # begun | ok | failed | waiting
    started_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)
    attempts = models.PositiveSmallIntegerField(default=1)
    fence = models.PositiveIntegerField()
    detail = models.TextField(blank=True)
    instruction = models.TextField(blank=True)
    receipt = models.CharField(max_length=200, blank=True)
    answered_by = models.UUIDField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["run", "step", "phase"], name="one_entry_per_phase")]


class Approval(Row):
    """Somebody else's word on exact content, with an end; no word is a no."""

    run = models.ForeignKey(Run, on_delete=models.PROTECT, related_name="approvals")
    step = models.CharField(max_length=60)
    digest = models.CharField(max_length=64)
    content = models.JSONField(default=list)  # what was shown
    asked_by = models.UUIDField()
    asked_at = models.DateTimeField()
    expires_at = models.DateTimeField(db_index=True)
    decided_by = models.UUIDField(null=True)
    decision = models.CharField(max_length=8, blank=True)  # approved | denied | expired
    decided_at = models.DateTimeField(null=True)
    reason = models.CharField(max_length=400, blank=True)
    escalated_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["run", "step", "digest"], name="one_approval_per_content")]
