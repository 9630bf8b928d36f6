"""Incidents, what is linked to them, notes, QA's tasks and hand-overs."""

from __future__ import annotations

from django.db import models

from waystation.evidence.rows import Row, state_field
from waystation.kernel import states
from waystation.registry.models import Device, Network, Site, Space


class Incident(Row):
    """Something went wrong at a site: one identifier from the first signal to trust regained."""

    network = models.ForeignKey(Network, on_delete=models.PROTECT, related_name="incidents")
    number = models.PositiveIntegerField()
    site = models.ForeignKey(Site, on_delete=models.PROTECT, related_name="incidents")
    space = models.ForeignKey(Space, on_delete=models.PROTECT, null=True, related_name="incidents")
    device = models.ForeignKey(Device, on_delete=models.PROTECT, null=True, related_name="incidents")
    cause = models.SlugField(max_length=60)
    group = models.SlugField(max_length=60)
    live_key = models.CharField(max_length=140, null=True)  # None once resolved
    title = models.CharField(max_length=200)
    priority = models.CharField(max_length=2)
    state = state_field(states.choices("incident"), "open")
    opened_at = models.DateTimeField(db_index=True)
    detected_at = models.DateTimeField()  # when the first of its alarms began
    acknowledged_at = models.DateTimeField(null=True)
    acknowledged_by = models.UUIDField(null=True)
    mitigated_at = models.DateTimeField(null=True)
    service_restored_at = models.DateTimeField(null=True)
    product_safe_at = models.DateTimeField(null=True)
    needs_service = models.BooleanField(default=True)
    needs_product = models.BooleanField(default=False)
    quality_task_at = models.DateTimeField(null=True)
    quality_done_at = models.DateTimeField(null=True)
    quality_done_by = models.UUIDField(null=True)
    resolved_at = models.DateTimeField(null=True)
    resolved_by = models.UUIDField(null=True)
    reviewed_at = models.DateTimeField(null=True)
    outcome = models.CharField(max_length=40, blank=True)
    responder_id = models.UUIDField(null=True)
    owner_id = models.UUIDField(null=True)
    facts = models.JSONField(default=list)  # [{"name", "value", "standing": measured|reported|assumed, "source", "at"}]

    class Meta:
        ordering = ["-opened_at"]
        constraints = [
            models.UniqueConstraint(fields=["network", "number"], name="one_incident_per_number"),
            models.UniqueConstraint(
                fields=["live_key"], condition=models.Q(resolved_at=None), name="one_live_incident_per_object"
            ),
        ]

    @property
    def name(self) -> str:
        """How people call it: INC-12."""
        return f"INC-{self.number}"


class IncidentLink(Row):
    """A record of another room that belongs to an incident."""

    incident = models.ForeignKey(Incident, on_delete=models.PROTECT, related_name="links")
    kind = models.CharField(max_length=16)  # alarm | reservation | dispatch | run | move | excursion | hold
    object_id = models.UUIDField(db_index=True)
    at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["incident", "kind", "object_id"], name="one_link_per_object"),
        ]


class Note(Row):
    """What somebody wrote, and how it is known."""

    incident = models.ForeignKey(Incident, on_delete=models.PROTECT, related_name="notes")
    standing = models.CharField(max_length=10)  # measured | reported | assumed
    text = models.TextField()
    by_id = models.UUIDField()
    at = models.DateTimeField()
    observed_at = models.DateTimeField()


class HandOver(Row):
    """What one shift leaves to the next: a snapshot, signed by the one who takes it."""

    by_id = models.UUIDField()
    at = models.DateTimeField(db_index=True)
    snapshot = models.JSONField()  # open, suppressed, unmonitored, waiting
    digest = models.CharField(max_length=64)
    remark = models.TextField(blank=True)
    taken_by = models.UUIDField(null=True)
    taken_at = models.DateTimeField(null=True)
