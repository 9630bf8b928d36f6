"""Vendor maintenance windows, planned against actual."""

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
