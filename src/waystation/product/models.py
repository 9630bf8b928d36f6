"""Consignments and where they stood, product holds that only QA ends, deviations, moves and backup spaces."""

from __future__ import annotations

from django.db import models

from waystation.evidence.rows import Row
from waystation.registry.models import ProductProfile, Space

OPEN = models.Q(state="open")


class Consignment(Row):
    """A lot of one product that is handled together."""

    lot = models.CharField(max_length=80, db_index=True)
    product = models.CharField(max_length=120)
    quantity = models.DecimalField(max_digits=14, decimal_places=3)
    unit = models.CharField(max_length=24)
    customer = models.CharField(max_length=120, blank=True)
    profile = models.ForeignKey(ProductProfile, on_delete=models.PROTECT, related_name="consignments")
    volume_l = models.FloatField(null=True, blank=True)  # None: unknown, and then it is never assumed to fit

    class Meta:
        ordering = ["lot"]
        constraints = [models.UniqueConstraint(fields=["lot", "customer"], name="one_consignment_per_lot")]

    def __str__(self) -> str:
        return self.lot


class Presence(Row):
    """A consignment stood in a space, half-open; one live presence per consignment."""

    consignment = models.ForeignKey(Consignment, on_delete=models.PROTECT, related_name="presences")
    space = models.ForeignKey(Space, on_delete=models.PROTECT, related_name="presences")
    since = models.DateTimeField(db_index=True)
    until = models.DateTimeField(null=True, blank=True, db_index=True)

    class Meta:
        ordering = ["since"]
        constraints = [
            models.UniqueConstraint(
                fields=["consignment"], condition=models.Q(until=None), name="one_live_presence_per_consignment"
            )
        ]


class ProductHold(Row):
    """A lot that may not be used until QA decides. Nothing else ends it."""

    consignment = models.ForeignKey(Consignment, on_delete=models.PROTECT, related_name="holds")
    excursion_id = models.UUIDField(db_index=True)
    space = models.ForeignKey(Space, on_delete=models.PROTECT, related_name="product_holds")
    incident_id = models.UUIDField(null=True, blank=True)
    measured_s = models.FloatField()
    worst_case_s = models.FloatField()
    unproven_s = models.FloatField(default=0.0)
    opened_at = models.DateTimeField()
    extended_at = models.DateTimeField(null=True, blank=True)
    state = models.CharField(max_length=12, default="open", db_index=True)  # open | released | rejected | transferred
    decided_by = models.UUIDField(null=True, blank=True)
    decided_at = models.DateTimeField(null=True, blank=True)
    reason = models.TextField(blank=True)
    signed_name = models.CharField(max_length=120, blank=True)
    signed_meaning = models.CharField(max_length=200, blank=True)
    signed_digest = models.CharField(max_length=64, blank=True)

    class Meta:
        ordering = ["opened_at"]
        constraints = [
            models.UniqueConstraint(
                fields=["consignment", "excursion_id"], condition=OPEN, name="one_open_hold_per_excursion"
            )
        ]


class Deviation(Row):
    """What QA wrote about an excursion: assessment, correction, prevention. Closes with every field filled."""

    FIELDS = ("assessment", "corrective", "preventive", "recipients")
    excursion_id = models.UUIDField(unique=True)
    space = models.ForeignKey(Space, on_delete=models.PROTECT, related_name="deviations")
    assessment = models.TextField(blank=True)
    corrective = models.TextField(blank=True)
    preventive = models.TextField(blank=True)
    recipients = models.JSONField(default=list, blank=True)
    opened_at = models.DateTimeField()
    opened_by = models.UUIDField()
    written_by = models.JSONField(default=list, blank=True)  # ids as text of who wrote any of it
    closed_at = models.DateTimeField(null=True, blank=True)
    closed_by = models.UUIDField(null=True, blank=True)


class Move(Row):
    """Product on its way to another space, until its arrival with a temperature."""

    incident_id = models.UUIDField(null=True, blank=True, db_index=True)
    from_space = models.ForeignKey(Space, on_delete=models.PROTECT, related_name="moves_out")
    to_space = models.ForeignKey(Space, on_delete=models.PROTECT, related_name="moves_in")
    consignments = models.JSONField(default=list)  # ids as text
    started_at = models.DateTimeField(db_index=True)
    started_by = models.UUIDField()
    arrived_at = models.DateTimeField(null=True, blank=True)
    arrived_by = models.UUIDField(null=True, blank=True)
    arrival_c = models.FloatField(null=True, blank=True)


class BackupSpace(Row):
    """A named place for the product of a space, with how long the move takes and who said so."""

    space = models.ForeignKey(Space, on_delete=models.PROTECT, related_name="backups")
    backup = models.ForeignKey(Space, on_delete=models.PROTECT, related_name="backup_of")
    pack_min = models.JSONField(default=list)  # [likely, worst]
    travel_min = models.JSONField(default=list)
    unpack_min = models.JSONField(default=list)
    source = models.CharField(max_length=8, default="assumed")  # measured | reported | assumed
    name = models.CharField(max_length=120, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["space", "backup"], name="one_backup_per_space")]


class LotValue(Row):
    """What one unit of a lot is worth, as a person stated it from a source. A newer statement takes its place."""

    consignment = models.ForeignKey(Consignment, on_delete=models.PROTECT, related_name="values")
    unit_value = models.DecimalField(max_digits=14, decimal_places=4)
    currency = models.CharField(max_length=3)  # ISO 4217
    source = models.CharField(max_length=200)
    stated_by = models.UUIDField()
    stated_at = models.DateTimeField()
    superseded_at = models.DateTimeField(null=True)
    superseded_by = models.UUIDField(null=True)  # the statement that took its place

    class Meta:
        ordering = ["stated_at"]
        constraints = [
            models.UniqueConstraint(
                fields=["consignment"], condition=models.Q(superseded_at=None), name="one_value_per_lot"
            )
        ]
