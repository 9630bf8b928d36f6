"""What the room keeps beside the log: progress, excursions, doubts, calibrations, hand readings, segments, hours."""

from __future__ import annotations

from django.db import models

from waystation.evidence.rows import Row
from waystation.registry.models import Sensor, ServiceClass, Site, Space


class Progress(Row):
    """How far a partition of the log has been judged; committed with what that judging raised."""

    is_derived = True

    partition = models.CharField(max_length=24, unique=True)
    file = models.BigIntegerField(default=1)
    offset = models.BigIntegerField(default=0)
    setup = models.BigIntegerField(default=-1)  # the newest change of setup that every site's state reflects
    setup_near = models.IntegerField(default=0)  # how many changes stood just below it, so that a late one is seen


class SiteState(Row):
    """What is known of a site now, for pages: the newest of every sensor, and until when each space is heard."""

    is_derived = True

    site = models.OneToOneField(Site, on_delete=models.PROTECT, related_name="telemetry_state")
    at = models.DateTimeField()
    last_frame_at = models.DateTimeField(null=True, blank=True)
    newest_at = models.DateTimeField(null=True, blank=True)
    spaces = models.JSONField(default=dict)  # until when (Unix seconds) all judging sensors prove a space
    sensors = models.JSONField(default=dict)


class DeviceHead(Row):
    """The newest signed batch of a machine: boot, sequence number and digest, so that the next one must follow."""

    is_derived = True

    machine_id = models.UUIDField(unique=True)
    boot = models.BigIntegerField(default=0)
    seq = models.BigIntegerField(default=0)
    digest = models.CharField(max_length=64, blank=True)
    breaks = models.JSONField(default=list, blank=True)  # numbers that never came: [{boot, first, last, seen_at}]


class Gateway(Row):
    """How a site's agent said it stands; written when that changes. That it lives, its heartbeats say."""

    machine_id = models.UUIDField(unique=True)
    site = models.ForeignKey(Site, on_delete=models.PROTECT, related_name="gateways")
    state = models.JSONField(default=dict)
    since = models.DateTimeField()


class UplinkTest(Row):
    """One uplink used alone for minutes: asked here or begun at the site, and what the agent said came through.

    `result` is the agent's note with instants in microseconds, 0 for what did not come. `asked_by` None: at the site.
    """

    site = models.ForeignKey(Site, on_delete=models.PROTECT, related_name="uplink_tests")
    uplink = models.CharField(max_length=40)
    asked_by = models.UUIDField(null=True, blank=True)
    asked_at = models.DateTimeField()
    begun_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)
    result = models.JSONField(default=dict, blank=True)

    class Meta:
        ordering = ["-asked_at"]
        constraints = [
            models.UniqueConstraint(
                fields=["site"], condition=models.Q(ended_at=None), name="one_uplink_test_at_a_time"
            )
        ]


class Excursion(Row):
    """Time outside the product profile, from the readings alone. Delay and deadband belong to paging."""

    site = models.ForeignKey(Site, on_delete=models.PROTECT, related_name="excursions")
    space = models.ForeignKey(Space, on_delete=models.PROTECT, related_name="excursions")
    sensor = models.ForeignKey(Sensor, on_delete=models.PROTECT, related_name="excursions", null=True, blank=True)
    second_source = models.CharField(max_length=120, blank=True)  # what read it where no probe did
    profile_id = models.UUIDField()
    limit_c = models.FloatField()
    direction = models.CharField(max_length=4, choices=[("high", "high"), ("low", "low")])
    started_at = models.DateTimeField(db_index=True)
    ended_at = models.DateTimeField(null=True, blank=True)
    peak_c = models.FloatField()
    measured_s = models.FloatField(default=0)
    unknown_s = models.FloatField(default=0)
    detected_at = models.DateTimeField()
    found_late = models.BooleanField(default=False)
    in_doubt = models.CharField(max_length=200, blank=True)
    cause = models.CharField(max_length=200, blank=True)
    superseded_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-started_at"]
        constraints = [
            models.UniqueConstraint(
                fields=["sensor", "direction", "started_at"],
                condition=models.Q(superseded_at=None),
                name="one_live_excursion",
            ),
            models.UniqueConstraint(
                fields=["space", "second_source", "direction", "started_at"],
                condition=models.Q(superseded_at=None, sensor=None),
                name="one_live_excursion_of_a_second_source",
            ),
        ]

    @property
    def detection_s(self) -> float:
        """Seconds from its first reading outside to when it was known here; late data make it long."""
        return (self.detected_at - self.started_at).total_seconds()

    @property
    def is_moving(self) -> bool:
        """Peak and durations of a running excursion follow the readings."""
        return self.ended_at is None


class Doubt(Row):
    """Time in which a sensor's readings prove nothing: frozen, implausible, a probe that failed. QA decides."""

    sensor = models.ForeignKey(Sensor, on_delete=models.PROTECT, related_name="doubts")
    kind = models.CharField(max_length=24)
    started_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)
    detail = models.CharField(max_length=200, blank=True)
    noticed_at = models.DateTimeField()
    decided_by = models.UUIDField(null=True, blank=True)
    decided_at = models.DateTimeField(null=True, blank=True)
    decision = models.CharField(max_length=24, blank=True)  # sensor_failed | readings_stand
    reason = models.TextField(blank=True)
    probe_check = models.ForeignKey(  # the check that found the probe off
        "ProbeCheck", on_delete=models.PROTECT, null=True, blank=True, related_name="doubts"
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["sensor", "kind", "started_at"], name="one_doubt_per_start"),
        ]


class Calibration(Row):
    """A certificate of the probe that a sensor reads through, with what was found and left."""

    sensor = models.ForeignKey(Sensor, on_delete=models.PROTECT, related_name="calibrations")
    probe_serial = models.CharField(max_length=80)
    certificate = models.CharField(max_length=80)
    laboratory = models.CharField(max_length=120)
    bound_at = models.DateTimeField()
    unbound_at = models.DateTimeField(null=True, blank=True)
    valid_from = models.DateTimeField()
    valid_until = models.DateTimeField()
    offset_c = models.FloatField(default=0.0)
    uncertainty_c = models.FloatField(default=0.0)
    as_found_c = models.FloatField(null=True, blank=True)
    as_left_c = models.FloatField(null=True, blank=True)
    passed = models.BooleanField(default=True)


class ProbeCheck(Row):
    """What a laboratory, or a person with a reference, found of a probe before anything was adjusted.

    One that failed puts in doubt what the probe read since it was last known to be good, at whatever sensor.
    """

    probe_serial = models.CharField(max_length=80, db_index=True)
    report = models.CharField(max_length=80)
    laboratory = models.CharField(max_length=120)
    checked_at = models.DateTimeField()
    as_found_c = models.FloatField()  # the probe's reading, corrected by its certificate, minus the reference
    tolerance_c = models.FloatField()
    passed = models.BooleanField()
    good_since = models.DateTimeField(null=True, blank=True)  # when it was last known to be good before
    by_id = models.UUIDField()
    recorded_at = models.DateTimeField()

    class Meta:
        ordering = ["-checked_at"]
        constraints = [models.UniqueConstraint(fields=["probe_serial", "report"], name="one_check_per_report")]


class HandReading(Row):
    """A temperature that a person read: a reading of its own source class, never edited."""

    space = models.ForeignKey(Space, on_delete=models.PROTECT, related_name="hand_readings")
    value_c = models.FloatField()
    observed_at = models.DateTimeField()
    recorded_at = models.DateTimeField()
    by_id = models.UUIDField()
    instrument = models.CharField(max_length=80)
    certificate = models.CharField(max_length=80, blank=True)
    certificate_until = models.DateField(null=True, blank=True)
    reason = models.CharField(max_length=200, blank=True)
    covers_s = models.PositiveIntegerField(default=1800)
    lowest_c = models.FloatField(null=True, blank=True)  # what a minimum-maximum thermometer remembers
    highest_c = models.FloatField(null=True, blank=True)
    remembers_since = models.DateTimeField(null=True, blank=True)


class BackupFile(Row):
    """The file of a logger that stood in a space beside its probes. Its readings are in the log, under its own code."""

    space = models.ForeignKey(Space, on_delete=models.PROTECT, related_name="backup_files")
    name = models.CharField(max_length=120)
    sha256 = models.CharField(max_length=64)
    logger = models.CharField(max_length=80)
    certificate = models.CharField(max_length=80, blank=True)
    certificate_until = models.DateField(null=True, blank=True)
    source_class = models.CharField(max_length=32)
    first_at = models.DateTimeField(db_index=True)
    last_at = models.DateTimeField(db_index=True)
    rows = models.PositiveIntegerField()
    rows_refused = models.PositiveIntegerField(default=0)
    hold_s = models.PositiveIntegerField()
    doubt = models.CharField(max_length=400, blank=True)  # a sign of an excursion that no reading carries
    notes = models.JSONField(default=list, blank=True)
    by_id = models.UUIDField()
    recorded_at = models.DateTimeField()
    reason = models.CharField(max_length=200, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["space", "sha256", "first_at", "last_at"], name="one_backup_file")
        ]

    @property
    def code(self) -> str:
        """The code under which its readings stand in the log."""
        return f"backup.{self.pk}"


class HandDuty(Row):
    """While a space is unmonitored, a hand reading is due at a set interval; a missed one escalates."""

    space = models.ForeignKey(Space, on_delete=models.PROTECT, related_name="hand_duties")
    sensor = models.ForeignKey(Sensor, on_delete=models.PROTECT, related_name="hand_duties")
    every_s = models.PositiveIntegerField()
    due_at = models.DateTimeField(db_index=True)
    started_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)
    reason = models.CharField(max_length=200)
    incident_id = models.UUIDField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["space"], condition=models.Q(ended_at=None), name="one_live_duty_per_space")
        ]


class Segment(Row):
    """A sealed Parquet file of a site. Late readings make a supplement; a sealed file is never written again."""

    site = models.ForeignKey(Site, on_delete=models.PROTECT, related_name="segments")
    kind = models.CharField(max_length=12)  # segment | supplement
    first_us = models.BigIntegerField(db_index=True)
    last_us = models.BigIntegerField(db_index=True)
    rows = models.PositiveIntegerField()
    sha256 = models.CharField(max_length=64)
    path = models.CharField(max_length=200, blank=True)  # empty: retention left nothing of it at full rate
    log_file = models.BigIntegerField()
    taken_times = models.PositiveIntegerField(default=0)  # how often retention took readings from it
    reduced_path = models.CharField(max_length=200, blank=True)
    reduced_sha256 = models.CharField(max_length=64, blank=True)
    reduced_rows = models.PositiveIntegerField(default=0)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["site", "log_file"], name="one_segment_per_log_file")]


class RetentionPolicy(Row):
    """How long readings of a class are kept. One person proposes it, another one of QA approves it, signed."""

    name = models.CharField(max_length=80)
    covers = models.CharField(max_length=8)  # judging | other
    service_class = models.ForeignKey(ServiceClass, on_delete=models.PROTECT, null=True, related_name="+")  # None: all
    source = models.CharField(max_length=12)  # regulation | contract | company
    clause = models.CharField(max_length=200)
    for_ever = models.BooleanField(default=False)
    keep_years = models.PositiveSmallIntegerField(default=0)
    keep_days = models.PositiveIntegerField(default=0)
    full_days = models.PositiveIntegerField(null=True)  # None: at full rate for as long as they are kept
    state = models.CharField(max_length=10, default="proposed", db_index=True)  # proposed | approved | ended
    proposed_by = models.UUIDField()
    proposed_at = models.DateTimeField()
    approved_by = models.UUIDField(null=True)
    approved_at = models.DateTimeField(null=True)
    signed_name = models.CharField(max_length=120, blank=True)
    signed_meaning = models.CharField(max_length=200, blank=True)
    signed_digest = models.CharField(max_length=64, blank=True)
    ended_by = models.UUIDField(null=True)
    ended_at = models.DateTimeField(null=True)
    end_reason = models.TextField(blank=True)

    class Meta:
        ordering = ["proposed_at", "pk"]


class Removal(Row):
    """What retention took from a segment, by which rules; the digest of the file that went stays."""

    segment = models.ForeignKey(Segment, on_delete=models.PROTECT, related_name="removals")
    site = models.ForeignKey(Site, on_delete=models.PROTECT, related_name="removals")
    at = models.DateTimeField(db_index=True)
    rules = models.JSONField(default=list)  # names of the policies that decided
    was_path = models.CharField(max_length=200)
    was_sha256 = models.CharField(max_length=64)
    was_rows = models.PositiveIntegerField()
    was_reduced_path = models.CharField(max_length=200, blank=True)
    was_reduced_sha256 = models.CharField(max_length=64, blank=True)
    removed = models.PositiveIntegerField()
    reduced = models.PositiveIntegerField()
    taken = models.JSONField(default=dict)  # {sensor: [[first_us, last_us, readings, removed | reduced], ...]}
    first_us = models.BigIntegerField()
    last_us = models.BigIntegerField()

    class Meta:
        ordering = ["at", "pk"]
        indexes = [models.Index(fields=["site", "first_us", "last_us"], name="removals_by_time")]


class RetentionReport(Row):
    """One pass of retention: what it looked at, what it took, what it held back and why."""

    started_at = models.DateTimeField()
    ended_at = models.DateTimeField(db_index=True)
    segments = models.PositiveIntegerField()  # looked at
    thinned = models.PositiveIntegerField()
    removed = models.PositiveBigIntegerField()
    reduced = models.PositiveBigIntegerField()
    freed_bytes = models.BigIntegerField()
    held = models.JSONField(default=dict)  # {why: readings that were due and stay}

    class Meta:
        ordering = ["-ended_at", "-pk"]


class Series(Row):
    """A written series that no sensor had when it came. Derived from the log, where its readings stand under `code`."""

    is_derived = True

    site = models.ForeignKey(Site, on_delete=models.PROTECT, related_name="written_series")
    code = models.CharField(max_length=64)
    measurement = models.TextField()
    tags = models.JSONField(default=dict)
    field = models.TextField()
    machine_id = models.UUIDField()
    first_at = models.DateTimeField()
    last_at = models.DateTimeField()
    last_value = models.FloatField(null=True)
    readings = models.BigIntegerField(default=0)
    received_at = models.DateTimeField(db_index=True)  # when it was last heard
    uncopied_since_us = models.BigIntegerField(null=True)  # received then and later: readings that no sensor has yet

    class Meta:
        ordering = ["measurement", "code"]
        constraints = [models.UniqueConstraint(fields=["site", "code"], name="one_series_per_code")]


class Uplink(Row):
    """What was taken and may come again: an uplink by device, session and frame count, a batch of a clock that nobody
    believes by machine and digest. No record: any of them may be dropped, and would count again when it comes again."""

    is_derived = True

    once = models.CharField(max_length=200, unique=True)
    at = models.DateTimeField(db_index=True)


class KeptUpTo(Row):
    """Up to where kept hours follow the log of readings and the entries. One row; derived, so no entry names it."""

    is_derived = True

    name = models.CharField(max_length=8, unique=True, default="all")
    file = models.BigIntegerField()
    offset = models.BigIntegerField()
    entry = models.BigIntegerField()
    remembered = models.JSONField(default=list)  # numbers of the newest entries that were followed
    writes = models.BigIntegerField(default=0)  # grows with every change of a kept day


class KeptDay(Row):
    """The judged hours of a site's spaces on a UTC day, with their sums. Derived: readings and entries say it again."""

    is_derived = True

    site = models.ForeignKey(Site, on_delete=models.CASCADE, related_name="kept_days")
    day = models.DateField()
    judged = models.PositiveIntegerField(default=0)  # bit 0: the hour from 00:00 UTC is judged and not stale
    hours = models.PositiveSmallIntegerField(default=0)  # how many bits that are
    space_hours = models.PositiveIntegerField(default=0)
    proven_us = models.BigIntegerField(default=0)
    out_us = models.BigIntegerField(default=0)
    spaces = models.JSONField(default=dict)  # {space: [judged hours, {hour: [proven_us, out_us]}]}, rules.hours

    class Meta:
        constraints = [models.UniqueConstraint(fields=["site", "day"], name="one_kept_day")]
        indexes = [
            models.Index(
                fields=["site", "day", "judged", "hours", "space_hours", "proven_us", "out_us"],
                name="sums_of_kept_days",
            )
        ]
