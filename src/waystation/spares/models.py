"""Hubs and lanes, serialised units with their custody, reservations, dispatches, returns, and what was considered.

A unit is one row from receipt to disposal; it stands at a hub, at a site, or on the way, never in two places.
"""

from __future__ import annotations

from django.db import models

from waystation.evidence.rows import Row, state_field
from waystation.kernel import states
from waystation.registry.models import DeviceModel, Part, Site, Vendor

TIERS = [("central", "central"), ("regional", "regional"), ("local", "local")]
SOURCES = [("measured", "measured"), ("reported", "reported"), ("assumed", "assumed")]


class Hub(Row):
    """A place that keeps units ready: central, regional, or a cabinet at a site."""

    code = models.SlugField(unique=True)
    name = models.CharField(max_length=120)
    tier = models.CharField(max_length=8, choices=TIERS)
    site = models.ForeignKey(Site, on_delete=models.PROTECT, null=True, blank=True, related_name="hubs")
    lat = models.FloatField(null=True, blank=True)
    lon = models.FloatField(null=True, blank=True)
    zone = models.CharField(max_length=64)
    staffing = models.JSONField(default=dict, blank=True)  # hours, see `timetable`
    pickups = models.JSONField(default=list, blank=True)  # courier cut-offs [{"courier", "weekday", "at"}]
    prepare_likely_min = models.FloatField(default=10.0)
    prepare_worst_min = models.FloatField(default=20.0)
    prepare_source = models.CharField(max_length=8, choices=SOURCES, default="assumed")
    slots = models.PositiveIntegerField(null=True, blank=True)  # the most units that fit in; None: nobody said
    custodian_id = models.UUIDField(null=True, blank=True)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class Lane(Row):
    """A way from a hub to a site: how, how long, what it refuses, what it costs."""

    hub = models.ForeignKey(Hub, on_delete=models.PROTECT, related_name="lanes")
    site = models.ForeignKey(Site, on_delete=models.PROTECT, related_name="lanes")
    mode = models.CharField(
        max_length=12, choices=[(m, m.replace("_", " ")) for m in ("drive", "courier", "air", "in_person")]
    )
    quantiles = models.JSONField(default=list)  # rising [[probability, seconds], ...]
    source = models.CharField(max_length=8, choices=SOURCES, default="assumed")
    detail = models.CharField(max_length=120, blank=True)
    courier = models.CharField(max_length=80, blank=True)
    refuses = models.JSONField(default=dict, blank=True)  # {hazard: why in words}
    cost = models.DecimalField(max_digits=12, decimal_places=2, default=0)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["hub", "site", "mode"], name="one_lane_per_mode")]


class Replacement(Row):
    """One directed rule: the offered model may replace the installed one, under these terms."""

    installed = models.ForeignKey(DeviceModel, on_delete=models.PROTECT, related_name="replaced_by")
    offered = models.ForeignKey(DeviceModel, on_delete=models.PROTECT, related_name="replaces")
    terms = models.JSONField(default=dict, blank=True)  # revisions, firmware, loadable, requires, adapter, kit_lines


class Offer(Row):
    """What a vendor sends, or what can be bought at once, for a group of parts."""

    vendor = models.ForeignKey(Vendor, on_delete=models.PROTECT, related_name="offers")
    group = models.SlugField()
    channel = models.CharField(max_length=8, choices=[("vendor", "vendor"), ("purchase", "purchase")])
    model = models.ForeignKey(DeviceModel, on_delete=models.PROTECT, null=True, blank=True, related_name="offers")
    hours = models.JSONField(default=dict, blank=True)  # when an order is taken
    quantiles = models.JSONField(default=list)  # from order to arrival at a site
    source = models.CharField(max_length=8, choices=SOURCES, default="reported")
    cost = models.DecimalField(max_digits=12, decimal_places=2, default=0)
    ended_at = models.DateTimeField(null=True, blank=True)


class SourcingRule(Row):
    """The pre-approved chain of a service class: which channels, in which order, up to what sum."""

    service_class = models.CharField(max_length=8, unique=True)
    chain = models.JSONField(default=list)  # [{"channels": [..], "spend_limit": number | None, "approved": bool}]
    approved_by = models.UUIDField(null=True, blank=True)
    approved_at = models.DateTimeField(null=True, blank=True)


class StockTarget(Row):
    """The least, and where set the most, of an interchangeable group at one hub."""

    hub = models.ForeignKey(Hub, on_delete=models.PROTECT, related_name="targets")
    group = models.SlugField()
    minimum = models.PositiveSmallIntegerField(default=0)
    maximum = models.PositiveSmallIntegerField(null=True, blank=True)
    band = models.PositiveSmallIntegerField(default=2)
    break_glass = models.BooleanField(default=False)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["hub", "group", "break_glass"], name="one_target_per_shelf")]


class Unit(Row):
    """One serialised piece, from receipt to disposal, whatever place it stands in."""

    serial = models.CharField(max_length=80, unique=True)
    part = models.ForeignKey(Part, on_delete=models.PROTECT, related_name="units")
    revision = models.CharField(max_length=16, blank=True)
    firmware = models.CharField(max_length=40, blank=True)
    connector = models.CharField(max_length=40, blank=True)
    state = state_field(states.choices("unit"), "received")
    hub = models.ForeignKey(Hub, on_delete=models.PROTECT, null=True, blank=True, related_name="units")
    site = models.ForeignKey(Site, on_delete=models.PROTECT, null=True, blank=True, related_name="units")
    custodian = models.CharField(max_length=120, blank=True)
    certificate = models.CharField(max_length=80, blank=True)
    certificate_until = models.DateTimeField(null=True, blank=True)
    checked_at = models.DateTimeField(null=True, blank=True)
    image = models.CharField(max_length=80, blank=True)
    kit_lines = models.JSONField(default=list, blank=True)
    break_glass = models.BooleanField(default=False)
    owner = models.CharField(max_length=120, blank=True)
    machine_id = models.UUIDField(null=True, blank=True)
    wiped_by = models.UUIDField(null=True, blank=True)
    wipe_certificate = models.CharField(max_length=80, blank=True)

    class Meta:
        ordering = ["serial"]
        constraints = [
            models.CheckConstraint(condition=models.Q(hub=None) | models.Q(site=None), name="a_unit_is_in_one_place")
        ]

    def __str__(self) -> str:
        return self.serial


class Custody(Row):
    """A unit passed from one hand to another, or changed its state. Only ever added."""

    unit = models.ForeignKey(Unit, on_delete=models.PROTECT, related_name="custody")
    state = models.CharField(max_length=24)
    giver = models.CharField(max_length=160, blank=True)
    taker = models.CharField(max_length=160, blank=True)
    at = models.DateTimeField(db_index=True)
    by_id = models.UUIDField()
    incident_id = models.UUIDField(null=True, blank=True)
    note = models.CharField(max_length=300, blank=True)

    class Meta:
        ordering = ["at", "id"]


class Reservation(Row):
    """A unit held for an incident until it is used, released or expires. One live one per unit."""

    unit = models.ForeignKey(Unit, on_delete=models.PROTECT, related_name="reservations")
    incident_id = models.UUIDField(db_index=True)
    incident_name = models.CharField(max_length=40, blank=True)
    site = models.ForeignKey(Site, on_delete=models.PROTECT, null=True, blank=True, related_name="reservations")
    need = models.JSONField(default=dict, blank=True)
    state = state_field(states.choices("reservation"), "held")
    reserved_at = models.DateTimeField()
    expires_at = models.DateTimeField(db_index=True)
    ended_at = models.DateTimeField(null=True, blank=True)
    reason = models.CharField(max_length=300, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["unit"], condition=models.Q(state="held"), name="one_live_reservation_per_unit"
            )
        ]


class Dispatch(Row):
    """A unit on its way to a site (for an incident) or to another hub (a transfer)."""

    unit = models.ForeignKey(Unit, on_delete=models.PROTECT, related_name="dispatches")
    reservation = models.OneToOneField(
        Reservation, on_delete=models.PROTECT, null=True, blank=True, related_name="dispatch"
    )
    incident_id = models.UUIDField(null=True, blank=True, db_index=True)
    from_hub = models.ForeignKey(Hub, on_delete=models.PROTECT, related_name="dispatches")
    to_site = models.ForeignKey(Site, on_delete=models.PROTECT, null=True, blank=True, related_name="dispatches")
    to_hub = models.ForeignKey(Hub, on_delete=models.PROTECT, null=True, blank=True, related_name="arrivals")
    lane = models.ForeignKey(Lane, on_delete=models.PROTECT, null=True, blank=True, related_name="dispatches")
    mode = models.CharField(max_length=12, default="in_person")
    label = models.CharField(max_length=80)
    label_kind = models.CharField(max_length=16, default="hub label")  # "carrier" once a carrier gave its number
    carrier = models.SlugField(blank=True)
    task = models.CharField(max_length=300, blank=True)
    task_person_id = models.UUIDField(null=True, blank=True)
    state = models.CharField(max_length=12, default="planned", db_index=True)
    planned_at = models.DateTimeField()
    promised_at = models.DateTimeField(null=True, blank=True)
    picked_at = models.DateTimeField(null=True, blank=True)
    shipped_at = models.DateTimeField(null=True, blank=True)
    delivered_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["unit"], condition=models.Q(ended_at=None), name="one_live_dispatch_per_unit"
            ),
            models.UniqueConstraint(fields=["label_kind", "carrier", "label"], name="one_dispatch_per_label"),
        ]


class CourierEvent(Row):
    """What a carrier said, as it was said: late ones and repeats are kept and do no harm."""

    carrier = models.SlugField()
    event_id = models.CharField(max_length=120)
    label = models.CharField(max_length=80, db_index=True)
    dispatch = models.ForeignKey(Dispatch, on_delete=models.PROTECT, null=True, blank=True, related_name="events")
    kind = models.CharField(max_length=24)
    observed_at = models.DateTimeField()
    received_at = models.DateTimeField()
    repeats = models.PositiveSmallIntegerField(default=0)
    repeated_at = models.DateTimeField(null=True, blank=True)
    outcome = models.CharField(max_length=200, blank=True)

    class Meta:
        ordering = ["observed_at", "received_at"]
        constraints = [models.UniqueConstraint(fields=["carrier", "event_id"], name="one_event_per_carrier_id")]


class Return(Row):
    """A unit that comes back (RMA): due, taken in with its credentials revoked."""

    unit = models.ForeignKey(Unit, on_delete=models.PROTECT, related_name="returns")
    incident_id = models.UUIDField(null=True, blank=True)
    to_hub = models.ForeignKey(Hub, on_delete=models.PROTECT, null=True, blank=True, related_name="returns")
    opened_at = models.DateTimeField()
    due_at = models.DateTimeField(db_index=True)
    received_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)
    intake = models.JSONField(default=dict, blank=True)
    review = models.JSONField(default=dict, blank=True)  # shelves below their minimum and the closest hub, when opened

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["unit"], condition=models.Q(ended_at=None), name="one_live_return_per_unit")
        ]


class Round(Row):
    """One round of sourcing for an incident: every candidate that was considered, in the order of the decision."""

    incident_id = models.UUIDField(db_index=True)
    at = models.DateTimeField()
    move_first = models.BooleanField(default=False)
    why = models.TextField(blank=True)
    candidates = models.JSONField(default=list)  # see `rounds`
    ways = models.JSONField(default=list)  # bars, figures with their sources, assumptions: what candidates share

    class Meta:
        ordering = ["at", "id"]


class Order(Row):
    """A vendor replacement or emergency purchase that the chain chose; a person confirms it with the vendor."""

    incident_id = models.UUIDField(db_index=True)
    offer = models.ForeignKey(Offer, on_delete=models.PROTECT, related_name="orders")
    site = models.ForeignKey(Site, on_delete=models.PROTECT, related_name="orders")
    cost = models.DecimalField(max_digits=12, decimal_places=2)
    state = models.CharField(max_length=12, default="wanted")  # wanted | confirmed | received | canceled
    at = models.DateTimeField()
    reference = models.CharField(max_length=80, blank=True)
    promised_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["incident_id", "offer"],
                condition=models.Q(state__in=["wanted", "confirmed"]),
                name="one_live_order_per_offer",
            )
        ]


class Release(Row):
    """The break-glass lane is open for one incident."""

    incident_id = models.UUIDField(unique=True)
    by_id = models.UUIDField()
    by_name = models.CharField(max_length=120)
    role = models.CharField(max_length=120)
    reason = models.CharField(max_length=300)
    at = models.DateTimeField()


class Scan(Row):
    """A scan made at the hub desk, perhaps offline; merged when the phone is back, never lost."""

    client_id = models.CharField(max_length=80, unique=True)
    verb = models.CharField(max_length=16)
    code = models.CharField(max_length=80)
    hub = models.ForeignKey(Hub, on_delete=models.PROTECT, null=True, blank=True, related_name="scans")
    note = models.CharField(max_length=300, blank=True)
    scanned_at = models.DateTimeField()
    received_at = models.DateTimeField()
    by_id = models.UUIDField()
    outcome = models.CharField(max_length=12)  # merged | conflict | resolved
    conflict = models.CharField(max_length=400, blank=True)
    resolution = models.CharField(max_length=300, blank=True)
    resolved_by = models.UUIDField(null=True, blank=True)
    resolved_at = models.DateTimeField(null=True, blank=True)
