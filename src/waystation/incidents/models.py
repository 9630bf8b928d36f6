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


class Feedback(Row):
    """What a technician says of a repair at its close. Said again by the same person, the newest counts."""

    incident = models.ForeignKey(Incident, on_delete=models.PROTECT, related_name="feedback")
    by_id = models.UUIDField()
    at = models.DateTimeField()
    solved = models.CharField(max_length=8)  # yes | partly | no | no_swap
    part_right = models.CharField(max_length=8)  # yes | no | no_part
    in_time = models.CharField(max_length=8)  # yes | no | no_part
    sheet_clear = models.CharField(max_length=8)  # yes | no | no_sheet
    work_min = models.PositiveIntegerField()
    words = models.TextField(blank=True)


class HandOver(Row):
    """What one shift leaves to the next: a snapshot, signed by the one who takes it."""

    by_id = models.UUIDField()
    at = models.DateTimeField(db_index=True)
    snapshot = models.JSONField()  # open, suppressed, unmonitored, waiting
    digest = models.CharField(max_length=64)
    remark = models.TextField(blank=True)
    taken_by = models.UUIDField(null=True)
    taken_at = models.DateTimeField(null=True)


class Review(Row):
    """What is learnt from an excursion or a major outage: one review each, written by some, signed by another."""

    FIELDS = ("root_cause", "standing", "what_failed", "no_change")
    site = models.ForeignKey(Site, on_delete=models.PROTECT, related_name="post_incident_reviews")
    space = models.ForeignKey(Space, on_delete=models.PROTECT, null=True, related_name="post_incident_reviews")
    incident = models.OneToOneField(Incident, on_delete=models.PROTECT, null=True, related_name="review")
    excursion_id = models.UUIDField(null=True, unique=True)  # of one that no incident holds
    opened_at = models.DateTimeField(db_index=True)
    due_at = models.DateTimeField()
    targets = models.JSONField()  # those of the service class as the review opened
    root_cause = models.TextField(blank=True)
    standing = models.CharField(max_length=10, blank=True)  # measured | reported | assumed
    what_failed = models.TextField(blank=True)
    no_change = models.TextField(blank=True)  # why nothing is changed, where no action is named
    written_by = models.JSONField(default=list)  # ids as text of who wrote any of it
    figures = models.JSONField(default=dict)  # what was known when it was signed
    signed_by = models.UUIDField(null=True)
    signed_at = models.DateTimeField(null=True)
    signed_name = models.CharField(max_length=120, blank=True)
    signed_meaning = models.CharField(max_length=200, blank=True)
    signed_digest = models.CharField(max_length=64, blank=True)

    class Meta:
        ordering = ["due_at"]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(incident=None) ^ models.Q(excursion_id=None), name="review_of_one_thing"
            )
        ]

    @property
    def name(self) -> str:
        """What it is about: INC-12, or the excursion of a space."""
        return self.incident.name if self.incident is not None else f"excursion, {self.space}"


class ReviewAction(Row):
    """What is changed after a review: by whom, until when, and whether it is done."""

    review = models.ForeignKey(Review, on_delete=models.PROTECT, related_name="actions")
    what = models.TextField()
    owner_id = models.UUIDField()
    due_at = models.DateTimeField()
    added_by = models.UUIDField()
    added_at = models.DateTimeField()
    done_at = models.DateTimeField(null=True)
    done_by = models.UUIDField(null=True)

    class Meta:
        ordering = ["due_at", "added_at"]
