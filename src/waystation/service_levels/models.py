"""Vendor maintenance windows, planned against actual, and what vendors did in their sessions."""

from __future__ import annotations

from django.db import models

from waystation.evidence.rows import Row
from waystation.registry.models import Site, Vendor


class VendorWindow(Row):
    """Maintenance that a vendor promised for a site, and what came of it."""

    vendor = models.ForeignKey(Vendor, on_delete=models.PROTECT, related_name="windows")
    site = models.ForeignKey(Site, on_delete=models.PROTECT, related_name="vendor_windows")
    what = models.CharField(max_length=160)
    planned_start = models.DateTimeField(db_index=True)
    planned_end = models.DateTimeField()
    started_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)
    evidence = models.CharField(max_length=300, blank=True)
    person = models.CharField(max_length=120, blank=True)


class VendorSession(Row):
    """A vendor at work at a site: who, why, over what, from when to when. It ends by a person or by its limit."""

    vendor = models.ForeignKey(Vendor, on_delete=models.PROTECT, related_name="sessions")
    site = models.ForeignKey(Site, on_delete=models.PROTECT, related_name="vendor_sessions")
    person = models.CharField(max_length=120)  # of the vendor, as printed
    why = models.CharField(max_length=300)
    incident_id = models.UUIDField(null=True, blank=True)
    maintenance_id = models.UUIDField(null=True, blank=True)
    over = models.SlugField(max_length=12)  # remote | on_site | console
    opened_by = models.UUIDField()
    opened_at = models.DateTimeField(db_index=True)
    due_at = models.DateTimeField(db_index=True)  # its limit: ended then if nobody closed it
    closed_by = models.UUIDField(null=True, blank=True)
    closed_at = models.DateTimeField(null=True, blank=True)
    ending = models.SlugField(max_length=20, blank=True)  # closed | by_another | by_limit
    note = models.CharField(max_length=400, blank=True)

    class Meta:
        ordering = ["-opened_at", "-id"]


class SessionStep(Row):
    """A command that was given, or an object that was touched, in a vendor's session; secrets masked."""

    session = models.ForeignKey(VendorSession, on_delete=models.PROTECT, related_name="steps")
    number = models.PositiveIntegerField()
    at = models.DateTimeField()
    kind = models.SlugField(max_length=8)  # command | object
    target = models.CharField(max_length=240, blank=True)  # the device or system, as its log names it
    what = models.TextField()
    masked = models.PositiveSmallIntegerField(default=0)  # secrets that were taken out
    is_late = models.BooleanField(default=False)  # told after the session had ended
    by_id = models.UUIDField()
    recorded_at = models.DateTimeField()

    class Meta:
        ordering = ["number"]
        constraints = [models.UniqueConstraint(fields=["session", "number"], name="one_step_per_number")]


class MonthEdition(Row):
    """A report of a closed month as it was made. It is never changed: what comes later makes another edition."""

    month = models.CharField(max_length=7, db_index=True)  # 2026-10
    edition = models.PositiveSmallIntegerField()
    made_at = models.DateTimeField()
    document_sha256 = models.CharField(max_length=64)
    changes = models.JSONField(default=list)  # [{site_id, site, words}] against the edition before

    class Meta:
        ordering = ["-month", "-edition"]
        constraints = [models.UniqueConstraint(fields=["month", "edition"], name="one_edition_per_number")]


class MonthFile(Row):
    """A file of an edition, byte for byte: the document (json), its records as a table (csv), its paper (pdf)."""

    edition = models.ForeignKey(MonthEdition, on_delete=models.PROTECT, related_name="files")
    kind = models.CharField(max_length=4)  # json | csv | pdf
    content = models.BinaryField()
    sha256 = models.CharField(max_length=64)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["edition", "kind"], name="one_file_per_kind")]
