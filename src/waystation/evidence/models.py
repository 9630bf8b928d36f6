"""Events, the outbox, the log, its positions and checkpoints. Entries and positions are never changed or removed."""

from __future__ import annotations

from django.db import models

from waystation.evidence.rows import Row, state_field
from waystation.kernel.states import choices


class LogEntry(models.Model):
    """One leaf, inserted in the transaction of the change that it describes."""

    seq = models.BigAutoField(primary_key=True)
    log = models.CharField(max_length=64, db_index=True)
    leaf = models.BinaryField()
    leaf_hash = models.BinaryField(max_length=32)
    kind = models.CharField(max_length=64)
    site_id = models.UUIDField(null=True, db_index=True)
    object_id = models.CharField(max_length=64, db_index=True)
    at = models.DateTimeField(db_index=True)

    class Meta:
        indexes = [
            models.Index(fields=["kind", "seq"], name="entries_by_kind"),
            models.Index(fields=["leaf_hash"], name="entries_by_leaf_hash"),  # receipts are looked up by it
        ]


class EntryRows(models.Model):
    """The rows that an entry of many rows touched: its leaf holds only the digest of this list."""

    entry = models.OneToOneField(LogEntry, on_delete=models.PROTECT, primary_key=True, related_name="touched")
    rows = models.JSONField()  # [{table, id, before, after}], as leaves of few rows name them


class Waiting(models.Model):
    """An entry without a position. The database puts it here with the entry and takes it out with the position."""

    seq = models.BigIntegerField(primary_key=True)
    log = models.CharField(max_length=64)


class LogPosition(models.Model):
    """Where the sequencer put an entry: dense, from 0, per log."""

    entry = models.OneToOneField(LogEntry, on_delete=models.PROTECT, primary_key=True, related_name="position")
    log = models.CharField(max_length=64)
    tree_index = models.BigIntegerField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["log", "tree_index"], name="one_entry_per_position")]


class Checkpoint(models.Model):
    """A signed head of a log."""

    log = models.CharField(max_length=64)
    size = models.BigIntegerField()
    root = models.BinaryField(max_length=32)
    note = models.TextField()
    at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["log", "size"], name="one_checkpoint_per_size")]


class Cosignature(models.Model):
    """A witness's line under a checkpoint; `time_s` (POSIX) is the witness's own."""

    checkpoint = models.ForeignKey(Checkpoint, on_delete=models.PROTECT, related_name="cosignatures")
    log = models.CharField(max_length=64)
    size = models.BigIntegerField()
    witness = models.CharField(max_length=254)
    line = models.TextField()
    time_s = models.BigIntegerField()
    at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["checkpoint", "witness"], name="one_line_per_witness")]
        indexes = [models.Index(fields=["log", "witness", "size"], name="cosigned_by_size")]


class WitnessState(models.Model):
    """How it stands between a log and a witness: since when it does not cosign, and what it last said instead."""

    log = models.CharField(max_length=64)
    witness = models.CharField(max_length=254)
    known_size = models.BigIntegerField(default=0)
    asked_at = models.DateTimeField(null=True)
    failing_since = models.DateTimeField(null=True)
    trouble = models.CharField(max_length=400, blank=True)
    refuses = models.BooleanField(default=False)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["log", "witness"], name="one_state_per_witness")]


class TimeStamp(models.Model):
    """A time-stamping authority's answer over the signed text of a head; it verifies by itself."""

    checkpoint = models.ForeignKey(Checkpoint, on_delete=models.PROTECT, related_name="stamps")
    log = models.CharField(max_length=64, db_index=True)
    size = models.BigIntegerField()
    authority = models.CharField(max_length=254)
    answer = models.BinaryField()
    stamped_at = models.DateTimeField()
    at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["checkpoint"], name="one_stamp_per_head")]


class StampState(models.Model):
    """When an authority was last asked about a log, and what went wrong then."""

    log = models.CharField(primary_key=True, max_length=64)
    asked_at = models.DateTimeField()
    trouble = models.CharField(max_length=400, blank=True)
    carried = models.BigIntegerField(null=True)  # size of the head whose question somebody carries


class LogOfSite(models.Model):
    """Which log the entries of a site enter: that of its network."""

    site_id = models.UUIDField(primary_key=True)
    log = models.CharField(max_length=64)


class Event(models.Model):
    """A fact that others may want to hear. The stream replays by `position`: dense from 1, given once committed."""

    seq = models.BigAutoField(primary_key=True)
    entry = models.ForeignKey(LogEntry, on_delete=models.PROTECT, related_name="events")
    kind = models.CharField(max_length=64, db_index=True)
    site_id = models.UUIDField(null=True, db_index=True)
    object_id = models.CharField(max_length=64, db_index=True)
    incident_id = models.UUIDField(null=True, db_index=True)
    at = models.DateTimeField(db_index=True)
    data = models.JSONField(default=dict)
    position = models.BigIntegerField(null=True, unique=True)

    class Meta:
        indexes = [models.Index(fields=["seq"], condition=models.Q(position=None), name="events_without_position")]


class Hold(Row):
    """Records that stay whole while somebody needs them: of a site, a space, an incident or a consignment, over a
    period that may be open at either end. One person asks to lift it, another one lifts it."""

    subject = models.CharField(max_length=12)  # site | space | incident | consignment
    subject_id = models.UUIDField(db_index=True)
    name = models.CharField(max_length=160)  # what people call it
    site_id = models.UUIDField(null=True, db_index=True)  # None: wherever the consignment stood
    since = models.DateTimeField(null=True)
    until = models.DateTimeField(null=True)
    reason = models.TextField()
    placed_by = models.UUIDField()
    placed_at = models.DateTimeField()
    lift_reason = models.TextField(blank=True)
    lift_asked_by = models.UUIDField(null=True)
    lift_asked_at = models.DateTimeField(null=True)
    lifted_by = models.UUIDField(null=True)
    lifted_at = models.DateTimeField(null=True, db_index=True)

    class Meta:
        ordering = ["placed_at", "pk"]


class AuditReview(Row):
    """A signed review of the changes of a period: exactly the entries that are listed, by their number."""

    site_id = models.UUIDField(null=True, db_index=True)  # None: of the whole installation
    start = models.DateTimeField(db_index=True)
    end = models.DateTimeField()
    entries = models.JSONField(default=list)  # numbers, rising
    list_digest = models.CharField(max_length=64)
    note = models.TextField(blank=True)
    signed_by = models.UUIDField()
    signed_name = models.CharField(max_length=120)
    signed_meaning = models.CharField(max_length=200)
    signed_at = models.DateTimeField()
    signed_local = models.CharField(max_length=80)  # the same instant in the signer's zone, with its name
    strength = models.CharField(max_length=24)
    signed_digest = models.CharField(max_length=64)

    class Meta:
        ordering = ["-signed_at", "-pk"]


class Subscription(Row):
    """Who hears which events by a signed webhook. `secret` is sealed; `kinds` are names, `room.*` or `*`."""

    owner_id = models.UUIDField(db_index=True)
    url = models.CharField(max_length=254)
    kinds = models.JSONField(default=list)
    site_id = models.UUIDField(null=True, db_index=True)
    secret = models.CharField(max_length=400)
    state = state_field(choices("subscription"), "active")
    reason = models.CharField(max_length=300, blank=True)
    created_at = models.DateTimeField()
    paused_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)


class SubscriptionProgress(models.Model):
    """How far a subscription is: up to which position its events are in the outbox, and since when sending fails."""

    subscription = models.OneToOneField(
        Subscription, on_delete=models.PROTECT, primary_key=True, related_name="progress"
    )
    position = models.BigIntegerField()
    tried_at = models.DateTimeField(null=True)
    failing_since = models.DateTimeField(null=True)


class OutboxMessage(Row):
    """Something that must leave the house: at least once, recognisable by its key.

    One of a subscription waits its turn: it leaves after all of the same subscription with a lower `position`.
    """

    is_derived = True

    entry = models.ForeignKey(LogEntry, on_delete=models.PROTECT, related_name="messages")
    channel = models.CharField(max_length=24)
    recipient = models.CharField(max_length=254)
    subject = models.CharField(max_length=254, blank=True)
    body = models.TextField(blank=True)
    data = models.JSONField(default=dict)
    idempotency_key = models.CharField(max_length=120, unique=True)
    due_at = models.DateTimeField(db_index=True)
    created_at = models.DateTimeField()
    sent_at = models.DateTimeField(null=True, db_index=True)
    gave_up_at = models.DateTimeField(null=True)
    leased_until = models.DateTimeField(null=True)
    subscription = models.ForeignKey(Subscription, on_delete=models.PROTECT, null=True, related_name="messages")
    position = models.BigIntegerField(null=True)

    class Meta:
        indexes = [
            models.Index(
                fields=["subscription", "position"],
                condition=models.Q(sent_at=None, gave_up_at=None, subscription__isnull=False),
                name="webhooks_in_turn",
            )
        ]


class OutboxAttempt(models.Model):
    """One try at sending, whatever came of it."""

    message = models.ForeignKey(OutboxMessage, on_delete=models.PROTECT, related_name="attempts")
    at = models.DateTimeField()
    ok = models.BooleanField()
    detail = models.CharField(max_length=400, blank=True)
    receipt = models.CharField(max_length=200, blank=True)


class LoopBeat(models.Model):
    """A loop of the worker: who holds it, until when, and when it last finished a round."""

    loop = models.CharField(primary_key=True, max_length=40)
    holder = models.CharField(max_length=80)
    at = models.DateTimeField()
    leased_until = models.DateTimeField()
