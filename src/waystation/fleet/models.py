"""Drift, baseline checks, onboarding with its checks and sign-offs, maintenance orders."""

from __future__ import annotations

from django.db import models

from waystation.evidence.rows import Row, state_field
from waystation.kernel import states
from waystation.registry.models import Device, Site, Template, Vendor


class Drift(Row):
    """A difference that stands until it is remediated, accepted or waived."""

    site = models.ForeignKey(Site, on_delete=models.PROTECT, related_name="drift")
    device = models.ForeignKey(Device, on_delete=models.PROTECT, null=True, blank=True, related_name="drift")
    kind = models.SlugField()
    expected = models.CharField(max_length=200)
    actual = models.CharField(max_length=200)
    seen_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)
    resolution = models.CharField(max_length=12, blank=True)  # remediated | accepted | waived
    waived_until = models.DateTimeField(null=True, blank=True)
    reason = models.CharField(max_length=400, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["device", "kind"], condition=models.Q(ended_at=None), name="one_live_drift_per_kind"
            )
        ]


class BaselineCheck(Row):
    """A device measured again after a change or a swap, by what it says itself."""

    device = models.ForeignKey(Device, on_delete=models.PROTECT, related_name="baseline_checks")
    at = models.DateTimeField()
    passed = models.BooleanField()
    findings = models.JSONField(default=list)
    incident_id = models.UUIDField(null=True, blank=True)


class Onboarding(Row):
    """A site on its way from its template to its first day."""

    site = models.ForeignKey(Site, on_delete=models.PROTECT, related_name="onboardings")
    template = models.ForeignKey(Template, on_delete=models.PROTECT, related_name="onboardings")
    started_at = models.DateTimeField()
    started_by = models.UUIDField()
    opened_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["site"], condition=models.Q(opened_at=None), name="one_live_onboarding")
        ]


class Check(Row):
    """One item of the checklist with its evidence."""

    onboarding = models.ForeignKey(Onboarding, on_delete=models.PROTECT, related_name="checks")
    key = models.SlugField()
    words = models.CharField(max_length=160)
    mandatory = models.BooleanField(default=True)
    fail_action = models.CharField(max_length=200, blank=True)
    state = models.CharField(max_length=8, default="open")  # open | passed | failed | waived
    evidence = models.CharField(max_length=400, blank=True)
    by_id = models.UUIDField(null=True, blank=True)
    at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["key"]
        constraints = [models.UniqueConstraint(fields=["onboarding", "key"], name="one_check_per_key")]


class Drill(Row):
    """What was seen of one function of a site while something had failed: it survived, or it did not."""

    site = models.ForeignKey(Site, on_delete=models.PROTECT, related_name="drills")
    failure = models.SlugField()
    function = models.SlugField()
    survived = models.BooleanField()
    evidence = models.CharField(max_length=400)
    by_id = models.UUIDField()
    at = models.DateTimeField()

    class Meta:
        ordering = ["-at"]


class SignOff(Row):
    """A named person accepts the site for a function, on the state of the checks as its digest says."""

    onboarding = models.ForeignKey(Onboarding, on_delete=models.PROTECT, related_name="sign_offs")
    function = models.CharField(max_length=24)  # facilities | operations | it
    person_id = models.UUIDField()
    printed_name = models.CharField(max_length=120)
    digest = models.CharField(max_length=64)
    at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["onboarding", "function"], name="one_sign_off_per_function")]


class MaintenanceOrder(Row):
    """Work on a device: what was planned, who did it with which parts, what was found, and when it is due again."""

    site = models.ForeignKey(Site, on_delete=models.PROTECT, related_name="maintenance")
    device = models.ForeignKey(Device, on_delete=models.PROTECT, related_name="maintenance")
    category = models.SlugField(max_length=24)
    activity = models.SlugField(max_length=24)
    what = models.CharField(max_length=160)
    vendor = models.ForeignKey(Vendor, on_delete=models.PROTECT, null=True, blank=True, related_name="maintenance")
    person = models.CharField(max_length=120, blank=True)  # who does the work, as printed
    planned_start = models.DateTimeField(db_index=True)
    planned_end = models.DateTimeField(db_index=True)
    every_months = models.PositiveSmallIntegerField(default=0)  # 0: once
    follows = models.ForeignKey("self", on_delete=models.PROTECT, null=True, blank=True, related_name="followed_by")
    incident_id = models.UUIDField(null=True, blank=True)
    suppression_id = models.UUIDField(null=True, blank=True)  # the maintenance window of its alarms
    state = state_field(states.choices("maintenance"), "planned")
    planned_by = models.UUIDField()
    planned_at = models.DateTimeField()
    started_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)
    found = models.CharField(max_length=800, blank=True)
    reason = models.CharField(max_length=400, blank=True)  # why it was not done, or cancelled
    parts = models.JSONField(default=list)  # [{"unit_id", "serial", "part"}], or [{"text"}] for what has no serial
    attachments = models.JSONField(default=list)  # [{"name", "sha256"}]
    next_due = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-planned_end", "-id"]
        constraints = [models.UniqueConstraint(fields=["follows"], name="one_next_maintenance_order")]

    def __str__(self) -> str:
        return f"{self.what} of {self.device}"
