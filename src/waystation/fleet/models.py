"""Drift, baseline checks, onboarding with its checks and sign-offs."""

from __future__ import annotations

from django.db import models

from waystation.evidence.rows import Row
from waystation.registry.models import Device, Site, Template


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
