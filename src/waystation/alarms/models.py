"""Alarms, pages, escalations, suppression, on-call, policies and route tests."""

from __future__ import annotations

from django.db import models

from waystation.evidence.rows import Row, state_field
from waystation.kernel import states
from waystation.registry.models import Site


class MatrixVersion(Row):
    """An edition of the severity matrix; the newest is in force."""

    number = models.PositiveIntegerField(unique=True)
    rows = models.JSONField()
    by_id = models.UUIDField()
    at = models.DateTimeField()
    reason = models.CharField(max_length=400, blank=True)


class EscalationPolicy(Row):
    """Levels for a site, or for all sites; without one the service class gives the default."""

    site = models.ForeignKey(Site, on_delete=models.PROTECT, null=True, related_name="escalation_policies")
    severity = models.CharField(max_length=32, blank=True)  # empty: all
    levels = models.JSONField()
    at = models.DateTimeField()
    replaced_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["site", "severity"], condition=models.Q(replaced_at=None), name="one_policy_per_site"
            ),
            models.UniqueConstraint(
                fields=["severity"], condition=models.Q(replaced_at=None, site=None), name="one_policy_everywhere"
            ),
        ]


class Alarm(Row):
    """Something that needs a timely response; facts with instants, the state derived from them."""

    rule = models.SlugField(max_length=60)
    site = models.ForeignKey(Site, on_delete=models.PROTECT, related_name="alarms")
    object_kind = models.CharField(max_length=12)
    object_id = models.UUIDField(db_index=True)
    space_id = models.UUIDField(null=True)
    started_at = models.DateTimeField()
    from_missing_data = models.BooleanField(default=False)
    worst_case_at = models.DateTimeField(null=True)
    severity = models.CharField(max_length=32)
    row_slug = models.CharField(max_length=60)
    row = models.JSONField(default=dict)
    matrix_number = models.PositiveIntegerField(default=0)
    state = state_field(states.choices("alarm"), "active_unacked")
    facts = models.JSONField(default=dict)
    facts_at = models.DateTimeField()
    raised_at = models.DateTimeField()
    cleared_at = models.DateTimeField(null=True, db_index=True)
    acked_at = models.DateTimeField(null=True)
    acked_by = models.UUIDField(null=True)
    acked_rank = models.SmallIntegerField(null=True)
    resolved_at = models.DateTimeField(null=True)
    incident_id = models.UUIDField(null=True, db_index=True)
    outcome = models.CharField(max_length=8, default="hold")  # pass | hold | drop
    reasons = models.JSONField(default=list)
    text = models.JSONField(default=dict)
    policy = models.JSONField(default=list)
    paged_at = models.DateTimeField(null=True)
    paged_rank = models.SmallIntegerField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["rule", "object_id", "started_at"], name="one_alarm_per_condition")
        ]


class Page(Row):
    """A person was interrupted, or joined to a bundle, through one channel; the outbox holds the delivery."""

    alarm = models.ForeignKey(Alarm, on_delete=models.PROTECT, related_name="pages")
    incident_id = models.UUIDField(null=True, db_index=True)
    person_id = models.UUIDField(db_index=True)
    channel = models.CharField(max_length=24)
    address = models.CharField(max_length=254)
    rank = models.SmallIntegerField()
    level = models.PositiveIntegerField()
    kind = models.CharField(max_length=10, default="page")  # page | bundle | notice
    message_key = models.CharField(max_length=120, unique=True)
    bundle_key = models.CharField(max_length=120, blank=True)
    reason = models.CharField(max_length=80, blank=True)
    at = models.DateTimeField(db_index=True)
    acked_at = models.DateTimeField(null=True)


class Escalation(Row):
    """A deadline: level 0 judges a held alarm again; a higher one pages when nobody answered."""

    alarm = models.ForeignKey(Alarm, on_delete=models.PROTECT, related_name="escalations")
    rank = models.SmallIntegerField()
    level = models.PositiveIntegerField()
    due_at = models.DateTimeField(db_index=True)
    done_at = models.DateTimeField(null=True)
    result = models.CharField(max_length=80, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["alarm"], condition=models.Q(done_at=None), name="one_pending_deadline_per_alarm"
            )
        ]


class Suppression(Row):
    """Quiet with owner, reason and end. It stops interruption, never measurement or clearing."""

    kind = models.CharField(max_length=16)  # shelve | silence | window | out_of_service
    site = models.ForeignKey(Site, on_delete=models.PROTECT, related_name="suppressions")
    rules = models.JSONField(default=list)
    object_ids = models.JSONField(default=list)
    owner_id = models.UUIDField()
    reason = models.CharField(max_length=400)
    change_id = models.UUIDField(null=True)
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField(db_index=True)
    created_at = models.DateTimeField()
    ended_by = models.UUIDField(null=True)
    announced_at = models.DateTimeField(null=True)
    matched = models.JSONField(default=list)


class Rotation(Row):
    """People who take turns on call for a role, at a site or everywhere."""

    name = models.CharField(max_length=80)
    role = models.CharField(max_length=40)
    site = models.ForeignKey(Site, on_delete=models.PROTECT, null=True, related_name="rotations")
    zone = models.CharField(max_length=64)
    people = models.JSONField(default=list)
    first_day = models.DateField()
    handover_min = models.PositiveSmallIntegerField(default=540)
    turn_days = models.PositiveSmallIntegerField(default=7)
    hours = models.JSONField(default=list)
    ended_at = models.DateTimeField(null=True)


class Override(Row):
    """Somebody stands in."""

    rotation = models.ForeignKey(Rotation, on_delete=models.PROTECT, related_name="overrides")
    person_id = models.UUIDField()
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    reason = models.CharField(max_length=200, blank=True)
    at = models.DateTimeField()
    withdrawn_at = models.DateTimeField(null=True)


class RouteTest(Row):
    """A test page through a site's whole route, to be confirmed by a person."""

    site = models.ForeignKey(Site, on_delete=models.PROTECT, related_name="route_tests")
    at = models.DateTimeField()
    due_at = models.DateTimeField(db_index=True)
    keys = models.JSONField(default=dict)  # message key → person id
    people = models.JSONField(default=list)
    missing = models.JSONField(default=list)  # roles in which nobody was found
    received = models.JSONField(default=dict)  # person id → instant
    passed_at = models.DateTimeField(null=True)
    failed_at = models.DateTimeField(null=True)
    failure = models.CharField(max_length=400, blank=True)
