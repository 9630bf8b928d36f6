"""The single inventory: from networks and service classes to sites, spaces, devices, sensors, circuits and vendors.

What is *intended* stands here and changes through review; what a device says of itself stands in its
`observed` member, kept by check-in. The difference is drift.
"""

from __future__ import annotations

from django.db import models

from waystation.evidence.rows import Row, state_field
from waystation.kernel import states


class Network(Row):
    """Sites under one operator; each network has one evidence log."""

    slug = models.SlugField(unique=True)
    name = models.CharField(max_length=120)


class ServiceClass(Row):
    """One object that sets alarm, recovery and stock targets together."""

    code = models.CharField(max_length=8, unique=True)
    name = models.CharField(max_length=80)
    rank = models.PositiveSmallIntegerField()  # 1 is the most critical
    monitoring_availability_pct = models.FloatField()
    detect_within_s = models.PositiveIntegerField()
    page_delay_s = models.PositiveIntegerField()
    acknowledge_within_s = models.PositiveIntegerField()
    recovery_h = models.FloatField()
    remote_management_h = models.FloatField()
    tolerable_outage_h = models.FloatField()
    vendor_response_h = models.FloatField()
    retention_days = models.PositiveIntegerField()
    excursion_deviation_min = models.PositiveIntegerField(default=0)
    patch_windows_per_month = models.PositiveSmallIntegerField(default=1)
    cover_probability = models.FloatField()  # of no stock-out over the lead time
    local_kit = models.BooleanField(default=False)


class ProductProfile(Row):
    """What the product stands: inclusive limits with source, edition and QA's approval."""

    code = models.SlugField()
    edition = models.PositiveSmallIntegerField(default=1)
    name = models.CharField(max_length=120)
    low_c = models.FloatField()
    high_c = models.FloatField()
    guard_band_c = models.FloatField(default=0.0)
    rules = models.JSONField(default=list, blank=True)
    settle_s = models.PositiveIntegerField(default=3600)
    judging_roles = models.JSONField(default=list)
    source_classes = models.JSONField(default=list)  # those that may yield in_range_proven
    second_hold_s = models.PositiveIntegerField(null=True, blank=True)  # how long a hand reading covers; None: 30 min
    source = models.CharField(max_length=200)
    clause = models.CharField(max_length=200, blank=True)
    read = models.BooleanField(default=False)  # False: written from memory, check before quoting
    approved_by = models.UUIDField(null=True, blank=True)
    approved_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["code", "edition"], name="one_profile_per_edition")]


class Template(Row):
    """A reference architecture, versioned: the component classes that a site of this kind needs."""

    kind = models.SlugField()
    version = models.PositiveSmallIntegerField()
    name = models.CharField(max_length=120)
    components = models.JSONField(default=list)  # [{"class", "models", "critical"}]
    checklist = models.JSONField(default=list)  # [{"key", "words", "mandatory", "fail_action"}]
    dependencies = models.JSONField(default=list)
    flows = models.JSONField(default=list, blank=True)  # allowed between zones: [{"from", "to", "what"}]
    traffic = models.JSONField(default=list, blank=True)  # most urgent first: [{"kind", "on_backup"}]; empty: shipped
    published_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["kind", "version"], name="one_template_per_version")]


class Vendor(Row):
    """Somebody who repairs, carries or connects."""

    code = models.SlugField(unique=True)
    name = models.CharField(max_length=120)
    kind = models.CharField(max_length=40)
    support_hours = models.JSONField(default=dict, blank=True)
    response_h = models.FloatField(null=True, blank=True)
    contract_until = models.DateField(null=True, blank=True)
    certificate_until = models.DateField(null=True, blank=True)
    phone = models.CharField(max_length=40, blank=True)
    email = models.EmailField(blank=True)


class Site(Row):
    """A place with spaces or hardware that somebody depends on."""

    code = models.SlugField(unique=True)
    name = models.CharField(max_length=120)
    network = models.ForeignKey(Network, on_delete=models.PROTECT, related_name="sites")
    template = models.ForeignKey(Template, on_delete=models.PROTECT, related_name="sites")
    service_class = models.ForeignKey(ServiceClass, on_delete=models.PROTECT, related_name="sites")
    tier_inputs = models.JSONField(default=dict, blank=True)
    state = state_field(states.choices("site"), "planned")
    city = models.CharField(max_length=80)
    country = models.CharField(max_length=2)
    lat = models.FloatField()
    lon = models.FloatField()
    zone = models.CharField(max_length=64)
    access_hours = models.JSONField(default=dict, blank=True)
    local_support = models.CharField(max_length=200, blank=True)
    hazards = models.CharField(max_length=200, blank=True)
    cluster = models.SlugField(blank=True)
    report_s = models.PositiveIntegerField(default=0)  # how often its gateway sends; 0: with every reading
    temporary_until = models.DateField(null=True, blank=True)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class Space(Row):
    """A monitored volume inside a site: fridge, freezer, cold room, cabinet, vehicle, box."""

    site = models.ForeignKey(Site, on_delete=models.PROTECT, related_name="spaces")
    code = models.SlugField()
    name = models.CharField(max_length=80)
    kind = models.CharField(max_length=24)
    profile = models.ForeignKey(ProductProfile, on_delete=models.PROTECT, null=True, blank=True, related_name="spaces")
    capacity_l = models.FloatField(default=0)
    thermal = models.JSONField(default=dict, blank=True)
    not_instrumented = models.JSONField(default=list, blank=True)
    mapping_report = models.CharField(max_length=120, blank=True)
    mapping_due = models.DateField(null=True, blank=True)
    hot_point = models.CharField(max_length=80, blank=True)
    cold_point = models.CharField(max_length=80, blank=True)

    class Meta:
        ordering = ["site__name", "name"]
        constraints = [models.UniqueConstraint(fields=["site", "code"], name="one_space_per_code")]

    def __str__(self) -> str:
        return f"{self.site.name}, {self.name}"


class DeviceModel(Row):
    """A make and model for a component class, approved, deprecated or banned, with its firmware baseline."""

    maker = models.CharField(max_length=80)
    name = models.CharField(max_length=80)
    component_class = models.SlugField()
    standing = models.CharField(max_length=12, default="approved")  # approved | deprecated | banned | unreviewed
    firmware_target = models.CharField(max_length=40, blank=True)
    firmware_minimum = models.CharField(max_length=40, blank=True)
    firmware_blocked = models.JSONField(default=list, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["maker", "name"], name="one_model_per_name")]


class Part(Row):
    """A kind of thing that hubs hold: the catalogue entry of a spare."""

    code = models.CharField(max_length=40, unique=True)
    name = models.CharField(max_length=120)
    asset_class = models.SlugField()
    group = models.SlugField()  # interchangeable parts share one
    model = models.ForeignKey(DeviceModel, on_delete=models.PROTECT, null=True, blank=True, related_name="parts")
    serialised = models.BooleanField(default=True)
    revision = models.CharField(max_length=16, blank=True)
    needs = models.JSONField(default=dict, blank=True)  # {"connector": .., "firmware_min": .., "gateway_min": ..}
    hazards = models.JSONField(default=list, blank=True)  # e.g. "lithium": lanes refuse by them
    calibrated = models.BooleanField(default=False)
    holds_data = models.BooleanField(default=False)
    unit_cost = models.DecimalField(max_digits=12, decimal_places=2, default=0)
    install_min = models.PositiveIntegerField(default=30)
    qualification = models.SlugField(blank=True)


class Device(Row):
    """Hardware that works at a site: what is intended, and what it last said of itself."""

    site = models.ForeignKey(Site, on_delete=models.PROTECT, related_name="devices")
    space = models.ForeignKey(Space, on_delete=models.PROTECT, null=True, blank=True, related_name="devices")
    name = models.CharField(max_length=80)
    component_class = models.SlugField()
    model = models.ForeignKey(DeviceModel, on_delete=models.PROTECT, related_name="devices")
    part = models.ForeignKey(Part, on_delete=models.PROTECT, null=True, blank=True, related_name="devices")
    serial = models.CharField(max_length=80)
    unit_id = models.UUIDField(null=True, blank=True)  # the same identity in stock
    firmware = models.CharField(max_length=40, blank=True)
    zone = models.SlugField(blank=True)
    config_digest = models.CharField(max_length=64, blank=True)
    machine_id = models.UUIDField(null=True, blank=True)
    installed_on = models.DateField(null=True, blank=True)  # this piece of hardware, not the first of its name
    warranty_until = models.DateField(null=True, blank=True)
    battery_fitted_on = models.DateField(null=True, blank=True)
    battery_due_on = models.DateField(null=True, blank=True)  # to be replaced by then
    observed = models.JSONField(default=dict, blank=True)  # serial, model, firmware, address, config_digest
    observed_at = models.DateTimeField(null=True, blank=True)
    removed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["name"]
        constraints = [
            models.UniqueConstraint(
                fields=["site", "name"], condition=models.Q(removed_at=None), name="one_live_device_per_name"
            ),
            models.UniqueConstraint(
                fields=["serial"], condition=models.Q(removed_at=None), name="one_live_device_per_serial"
            ),
        ]

    def __str__(self) -> str:
        return self.name


class Sensor(Row):
    """A measuring point: what it measures, where, how often, in what steps."""

    site = models.ForeignKey(Site, on_delete=models.PROTECT, related_name="sensors")
    space = models.ForeignKey(Space, on_delete=models.PROTECT, null=True, blank=True, related_name="sensors")
    device = models.ForeignKey(Device, on_delete=models.PROTECT, null=True, blank=True, related_name="sensors")
    code = models.SlugField(max_length=80, unique=True)
    name = models.CharField(max_length=80)
    quantity = models.SlugField()  # temperature | humidity | door | compressor | power | ups | wan | heartbeat ...
    unit = models.CharField(max_length=16)
    role = models.SlugField(blank=True)  # product | air_supply | air_return | ambient | cabinet
    position = models.CharField(max_length=80, blank=True)
    interval_s = models.PositiveIntegerField(default=60)
    hold_s = models.PositiveIntegerField(default=0)  # 0: 1.5 x the interval
    resolution = models.FloatField(default=0.1)
    low_possible = models.FloatField(null=True, blank=True)
    high_possible = models.FloatField(null=True, blank=True)
    removed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["code"]

    def __str__(self) -> str:
        return self.code


class SensorAlias(Row):
    """Another name of a sensor, as an agent at its site writes it."""

    site = models.ForeignKey(Site, on_delete=models.PROTECT, related_name="sensor_aliases")
    alias = models.CharField(max_length=120)
    sensor = models.ForeignKey(Sensor, on_delete=models.PROTECT, related_name="aliases")
    is_live = models.BooleanField(default=True)

    class Meta:
        ordering = ["alias"]
        constraints = [
            models.UniqueConstraint(
                fields=["site", "alias"], condition=models.Q(is_live=True), name="one_live_sensor_per_alias"
            )
        ]

    def __str__(self) -> str:
        return self.alias


class MappingRule(Row):
    """Which sensor a written series is: one series by all its tags, or many whose tag names the sensor; else ignored.

    Empty `measurement` and `field` fit any. A rule that names a sensor names every tag of the one series it takes.
    """

    site = models.ForeignKey(Site, on_delete=models.PROTECT, related_name="mapping_rules")
    measurement = models.CharField(max_length=200, blank=True)
    tags = models.JSONField(default=dict, blank=True)
    field = models.CharField(max_length=200, blank=True)
    sensor = models.ForeignKey(Sensor, on_delete=models.PROTECT, null=True, blank=True, related_name="mapping_rules")
    sensor_tag = models.CharField(max_length=200, blank=True)  # the tag whose value is a sensor's id, code or alias
    reason = models.CharField(max_length=200, blank=True)
    is_live = models.BooleanField(default=True)


class Circuit(Row):
    """A path to the outside world."""

    site = models.ForeignKey(Site, on_delete=models.PROTECT, related_name="circuits")
    code = models.SlugField(unique=True)
    vendor = models.ForeignKey(Vendor, on_delete=models.PROTECT, related_name="circuits")
    path = models.CharField(max_length=8)  # primary | backup
    medium = models.CharField(max_length=24)
    last_mile = models.CharField(max_length=80, blank=True)  # who owns the way into the building: duct, mast
    lead_time_days = models.PositiveIntegerField(null=True, blank=True)  # for a new one or a replacement
    account = models.CharField(max_length=80, blank=True)
    contract = models.CharField(max_length=80, blank=True)
    contract_until = models.DateField(null=True, blank=True)
    dispatch_phone = models.CharField(max_length=40, blank=True)
    target_availability_pct = models.FloatField(default=99.5)


class Owner(Row):
    """Who answers for a dependency of a site: person or vendor."""

    site = models.ForeignKey(Site, on_delete=models.PROTECT, related_name="owners")
    dependency = models.SlugField()
    person_id = models.UUIDField(null=True, blank=True)
    vendor = models.ForeignKey(Vendor, on_delete=models.PROTECT, null=True, blank=True, related_name="owned")
    escalation = models.CharField(max_length=200, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["site", "dependency"], name="one_owner_per_dependency")]


class ExternalReference(Row):
    """What another system calls one of our records: unique per system and kind."""

    kind = models.SlugField()
    object_id = models.UUIDField(db_index=True)
    system = models.SlugField()
    external_id = models.CharField(max_length=120)
    link = models.URLField(blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["system", "kind", "external_id"], name="one_object_per_external_id"),
            models.UniqueConstraint(fields=["system", "kind", "object_id"], name="one_external_id_per_object"),
        ]


class Import(Row):
    """One file taken in: what it made and what it changed, so that it can be undone."""

    kind = models.SlugField()
    file_name = models.CharField(max_length=200)
    sha256 = models.CharField(max_length=64)
    by_id = models.UUIDField()
    at = models.DateTimeField()
    created = models.JSONField(default=list)
    updated = models.JSONField(default=list)
    undone_at = models.DateTimeField(null=True, blank=True)
