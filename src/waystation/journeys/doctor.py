"""What is wrong with an installation's records: loops, messages, the log, segments, ids that lead nowhere."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.apps import apps
from django.db.models import Model, UUIDField

from waystation.evidence import beats, placed, sequencer, stamps, witnesses
from waystation.evidence.audit import check_guards
from waystation.evidence.models import LogEntry, OutboxMessage
from waystation.evidence.rules import merkle
from waystation.kernel.refusals import Refusal
from waystation.telemetry import stores
from waystation.telemetry.queries import segment_digests
from waystation.telemetry.retention import files_that_went

BEAT_WITHIN = timedelta(minutes=5)
BEAT_WITHIN_OF = {"sealer": timedelta(hours=2), "stock policy": timedelta(hours=2)}
MESSAGE_WITHIN = timedelta(minutes=10)
PLACE_WITHIN = timedelta(minutes=5)
AHEAD = timedelta(minutes=2)
SHOWN = 5
ANYBODY = ""  # a principal or a record of a kind that stands beside it: not one table
# what a plain id of a sibling's row leads to, by the column's name
TARGETS: Mapping[str, str] = {
    "site_id": "registry.Site",
    "space_id": "registry.Space",
    "profile_id": "registry.ProductProfile",
    "incident_id": "incidents.Incident",
    "excursion_id": "telemetry.Excursion",
    "unit_id": "spares.Unit",
    "machine_id": "access.Machine",
    "person_id": "access.Person",
    "task_person_id": "access.Person",
    "by_id": ANYBODY,
    "principal_id": ANYBODY,
    "object_id": ANYBODY,
    "owner_id": ANYBODY,
    "responder_id": ANYBODY,
    "custodian_id": ANYBODY,
    "round_id": ANYBODY,
    "change_id": ANYBODY,
    "subject_id": ANYBODY,
    "hub_id": "spares.Hub",
    "suppression_id": "alarms.Suppression",
    "maintenance_id": "fleet.MaintenanceOrder",
}
# events and entries outlive what they speak of, and drills keep incidents of their own
_UNCHECKED = frozenset({"evidence.LogEntry", "evidence.Event"})


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is wrong, and the next step."""

    code: str
    words: str
    next_step: str


def findings(now: datetime) -> list[Finding]:
    """Everything that is wrong in the records of this installation; empty when all is well."""
    return [
        *_loops(now),
        *_messages(now),
        *_log(now),
        *_witnesses(now),
        *_stamps(now),
        *_segments(),
        *_dangling(),
        *_clock(now),
    ]


def _loops(now: datetime) -> Iterator[Finding]:
    last = beats.last_beats()
    if not last:
        yield Finding("loops.never", "No loop of the worker ever ran.", "Start it: waystation serve.")
    for loop, at in sorted(last.items()):
        if now - at > BEAT_WITHIN_OF.get(loop, BEAT_WITHIN):
            words = f"The loop {loop} has been silent for {int((now - at).total_seconds())} s."
            yield Finding("loops.silent", words, "Start the worker (waystation serve) and read what it prints.")


def _messages(now: datetime) -> Iterator[Finding]:
    late = OutboxMessage.objects.filter(sent_at=None, gave_up_at=None, created_at__lt=now - MESSAGE_WITHIN)
    late = late.filter(due_at__lt=now + timedelta(hours=1))
    if count := late.count():
        first = late.order_by("created_at")[0]
        words = f"{count} messages wait, the oldest for {first.recipient} since {first.created_at.isoformat()}."
        yield Finding("outbox.waits", words, "Check notify, smtp_host and smtp_port in waystation.toml.")
    given_up = OutboxMessage.objects.exclude(gave_up_at=None)
    if count := given_up.count():
        newest = given_up.order_by("-gave_up_at")[0]
        words = f"{count} messages were given up, the newest for {newest.recipient} ({newest.subject[:60]})."
        yield Finding("outbox.given_up", words, "Tell these people by other means, and correct their addresses.")


def _log(now: datetime) -> Iterator[Finding]:
    waiting = LogEntry.objects.filter(position=None, at__lt=now - PLACE_WITHIN)
    if count := waiting.count():
        words = f"{count} entries have waited for their place in the log for over 5 minutes."
        yield Finding("log.behind", words, "Start the worker (waystation serve): its sequencer gives places.")
    for flaw in check_guards():
        step = "Find out who took it away; waystation evidence check says what was changed meanwhile."
        yield Finding(flaw.code, f"{flaw.where}: {flaw.words}", step)
    for log in placed.logs():
        head = sequencer.newest_checkpoint(log)
        size = sequencer.size_of(log)
        if head is None or head.size > size:
            words = f"The log {log} has {size} entries and a head of {head.size if head else 0}."
            yield Finding("log.head", words, "Stop the platform and restore the newest whole backup.")
            continue
        try:
            same = merkle.root(head.size, sequencer.hashes(log, head.size)) == bytes(head.root)
        except (OSError, Refusal) as error:
            yield Finding("log.tiles", f"The tiles of log {log} cannot be read: {error}", "Restore them from a backup.")
            continue
        if not same:
            words = f"The tiles of log {log} do not make the root of its newest head."
            yield Finding("log.tiles", words, "Restore the tiles from a backup, and keep these for an inquiry.")


def _witnesses(now: datetime) -> Iterator[Finding]:
    """Settings that cannot stand, a witness that refuses the log, and one that has not answered in time."""
    try:
        own = witnesses.configured()
    except Refusal as refusal:
        yield Finding("witness.settings", refusal.message, refusal.next_step or "Correct waystation.toml.")
        return
    for log in placed.logs() if own.witnesses else ():
        stands = witnesses.standing(log)
        said = " ".join(stands.trouble) or "Nobody asked it."
        if stands.refused:
            step = "Keep database and tiles as they are, and compare the heads: waystation witness heads."
            yield Finding("witness.refuses", f"A witness refuses the log {log}: {said}", step)
        elif stands.since is not None and stands.is_late(now):
            words = f"The log {log} is unwitnessed since {stands.since.isoformat()}. {said}"
            yield Finding("witness.late", words, "Start the witness, see that the worker runs and that it is reached.")


def _stamps(now: datetime) -> Iterator[Finding]:
    for log in placed.logs():
        stands = stamps.standing(log, now)
        if stands.since is not None:
            words = f"The log {log} is not time-stamped since {stands.since.isoformat()}. {stands.trouble}".strip()
            step = "See that the worker runs and that the authority of time_stamper is reached."
            yield Finding("stamp.late", words, step)


def _segments() -> Iterator[Finding]:
    folder = stores.folder() / "segments"
    named = set(segment_digests())
    there = {p.relative_to(folder).as_posix() for p in folder.rglob("*.parquet")} if folder.is_dir() else set()
    if lost := sorted(named - there):
        words = f"{len(lost)} segments are missing: {', '.join(lost[:SHOWN])}."
        yield Finding("segments.missing", words, "Bring them back from a backup: readings are in them.")
    if extra := sorted(there - named - files_that_went()):
        words = f"{len(extra)} segment files belong to no record: {', '.join(extra[:SHOWN])}."
        yield Finding("segments.orphan", words, "The sealer writes an unfinished one again; move others aside.")


def plain_ids() -> Iterator[tuple[type[Model], str]]:
    """Every column that holds another room's row as a plain id."""
    for model in apps.get_models():
        if model.__module__.startswith("waystation."):
            for field in model._meta.concrete_fields:
                if isinstance(field, UUIDField) and not field.primary_key and field.name.endswith("_id"):
                    yield model, field.name


def _dangling() -> Iterator[Finding]:
    for model, name in plain_ids():
        target = TARGETS.get(name, ANYBODY)
        if target == ANYBODY or model._meta.label in _UNCHECKED or not _is_there(target):
            continue
        there = apps.get_model(target)._default_manager.values("pk")
        lost = model._default_manager.exclude(**{name: None}).exclude(**{f"{name}__in": there})
        if count := lost.count():
            some = ", ".join(str(value) for value in lost.values_list(name, flat=True)[:SHOWN])
            words = f"{count} rows of {model._meta.label} name a {target} that is not there: {some}."
            yield Finding("ids.dangling", words, "Restore what is missing from a backup, or report how it came about.")


def _is_there(target: str) -> bool:
    label, _, name = target.partition(".")
    return apps.is_installed(f"waystation.{label}") and name.lower() in apps.get_app_config(label).models


def _clock(now: datetime) -> Iterator[Finding]:
    newest = LogEntry.objects.order_by("-seq").values_list("at", flat=True).first()
    if newest is not None and newest - now > AHEAD:
        words = f"The newest entry is {int((newest - now).total_seconds())} s ahead of this machine's clock."
        yield Finding("clock.behind", words, "Set the clock by NTP before anything more is recorded.")
