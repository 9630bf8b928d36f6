"""After it is over: what the records say of it for the review, each figure beside its entry, and the signature.

Nothing is guessed: what no record gives is unknown and says why.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from waystation.alarms import queries as alarms
from waystation.alarms.models import Alarm
from waystation.evidence import queries as evidence
from waystation.incidents import queries as incidents
from waystation.incidents import reviews
from waystation.incidents.models import Incident, Review
from waystation.journeys.exposure import same_time
from waystation.journeys.message import what
from waystation.kernel.authority import Authority
from waystation.kernel.canonical import instant
from waystation.kernel.units import duration_text
from waystation.telemetry import queries as telemetry
from waystation.telemetry.models import Excursion

PARTS = ("detection", "restoration", "response")


@dataclass(frozen=True, slots=True)
class Known:
    """What is recorded about the cause: the words, how it is known, and the entry that says it."""

    words: str
    standing: str
    entry: int | None


@dataclass(frozen=True, slots=True)
class Figure:
    """A length from one recorded instant to another; `seconds` None is unknown, and `why` says so.

    `entry` is the number of the entry that recorded its end. `kept` is None without a target or without a figure.
    """

    name: str
    seconds: int | None
    why: str = ""
    start: str = ""
    end: str = ""
    entry: int | None = None
    target_s: int | None = None
    kept: bool | None = None

    @property
    def words(self) -> str:
        """The length as people say it, or why it is not known."""
        return duration_text(self.seconds) if self.seconds is not None else f"unknown: {self.why}"


@dataclass(frozen=True, slots=True)
class Findings:
    """The four that a review begins with: cause, detection, restoration, response against the class's targets."""

    causes: tuple[Known, ...]
    detection: tuple[Figure, ...]
    restoration: tuple[Figure, ...]
    response: tuple[Figure, ...]


@dataclass(frozen=True, slots=True)
class Moment:
    """A recorded instant with its entry; `at` None where nothing recorded it, for the reason `why`."""

    at: datetime | None
    entry: int | None = None
    why: str = ""


def open_for(by: Authority, row: Excursion, first: Excursion, *, now: datetime) -> Review | None:
    """An excursion that is over and that no incident holds opens its own review, once for the probes of a space."""
    if row.ended_at is None:
        return None
    same = same_time(first, row, now)
    if any(incidents.incidents_of("excursion", key) for key in same):
        return None
    return reviews.open_for_excursion(by, first.pk, first.space_id, same=same, now=now)


def findings(review: Review) -> Findings:
    """What the records say now of the incident or excursion of a review; once signed, what was signed."""
    if review.signed_at is not None:
        return _as_signed(review.figures)
    incident = review.incident
    out = _excursions(review)
    raised = alarms.of_incident(incident.pk) if incident is not None else []
    first = _earliest([*(_sign(e) for e in out), *(_began(a) for a in raised)], "no alarm and no excursion is joined")
    detected = _earliest([*(_detected(e) for e in out), *(_raised(a) for a in raised)], "nothing raised an alarm")
    alarm = _earliest([_raised(a) for a in raised], "no alarm was raised, so nobody was paged")
    paged = _paged(raised)
    answered = _answered(incident)
    targets = review.targets
    detection = _between("First sign to detection", first, detected)
    page = _between("Alarm to page", alarm, paged)
    answer = _between("Page to acknowledgement", paged, answered)
    service, product = _service(incident), _product(incident)
    return Findings(
        _causes(review, out),
        (detection, page, answer),
        (service, product),
        (
            _against("Detection", detection, targets["detect_within_s"]),
            _against("Page", page, targets["page_delay_s"]),
            _against("Acknowledgement", answer, targets["acknowledge_within_s"]),
            _against("Recovery", service, round(targets["recovery_h"] * 3600)),
        ),
    )


def _as_signed(figures: Mapping[str, Any]) -> Findings:
    causes = tuple(Known(c["words"], c["standing"], c.get("entry")) for c in figures["causes"])
    parts = [
        tuple(Figure(**f) if "seconds" in f else Figure(seconds=None, **f) for f in figures[name]) for name in PARTS
    ]
    return Findings(causes, *parts)


def read_digest(review: Review) -> str:
    """What a signature of the review as it stands now is bound to."""
    return reviews.read_digest(review, asdict(findings(review)))


def sign(by: Authority, key: UUID, *, seen_digest: str, fresh_proof: bool, now: datetime) -> Review:
    """Sign a review with what the records say of it now; refused when that is not what was read."""
    row = reviews.review(by, key)
    return reviews.sign(
        by, key, figures=asdict(findings(row)), seen_digest=seen_digest, fresh_proof=fresh_proof, now=now
    )


def _excursions(review: Review) -> list[Excursion]:
    """Those of the review's own site: who may read the review may see no other by it."""
    keys = [review.excursion_id] if review.excursion_id is not None else []
    if review.incident_id is not None:
        keys = [link.object_id for link in incidents.links(review.incident_id, "excursion")]
    found: dict[UUID, Excursion] = {}
    for row in (telemetry.excursion(key) for key in keys):
        if row is not None and row.site_id == review.site_id:
            found |= {e.pk: e for e in _as_judged_now(row)}
    return list(found.values())


def _as_judged_now(row: Excursion) -> list[Excursion]:
    """The record itself, or those that took its place when late data came; without any it stays the only one."""
    if row.superseded_at is None:
        return [row]
    end = row.ended_at or row.superseded_at
    beside = telemetry.excursions_between(row.started_at, end, [row.site_id])
    same = [e for e in beside if (e.space_id, e.direction) == (row.space_id, row.direction)]
    return [e for e in same if e.superseded_at is None] or [row]


def _causes(review: Review, out: Sequence[Excursion]) -> tuple[Known, ...]:
    """What was recorded as the cause, never more; the person who writes the review says what it was."""
    found = []
    incident = review.incident
    if incident is not None:
        has_alarm = bool(incidents.links(incident.pk, "alarm"))
        standing = "measured" if has_alarm else "reported"
        entry = evidence.number_of(incident.pk, "incidents.opened")
        found.append(Known(f"opened for: {what(incident.cause)}", standing, entry))
        if incident.outcome:
            ended = evidence.number_of(incident.pk, "incidents.resolved")
            found.append(Known(f"ended as: {incident.outcome.replace('_', ' ')}", "reported", ended))
        for note in incidents.notes(incident.pk):
            found.append(Known(note.text, note.standing, None))
    for excursion in out:
        if excursion.cause:
            found.append(Known(excursion.cause, "assumed", evidence.number_of(excursion.pk)))
    return tuple(found)


def _sign(row: Excursion) -> Moment:
    return Moment(row.started_at, evidence.number_of(row.pk))


def _detected(row: Excursion) -> Moment:
    return Moment(row.detected_at, evidence.number_of(row.pk))


def _began(alarm: Alarm) -> Moment:
    return Moment(alarm.started_at, evidence.number_of(alarm.pk, "alarms.raised"))


def _raised(alarm: Alarm) -> Moment:
    return Moment(alarm.raised_at, evidence.number_of(alarm.pk, "alarms.raised"))


def _earliest(found: Sequence[Moment], why: str) -> Moment:
    told = [m for m in found if m.at is not None]
    return min(told, key=lambda m: (m.at, m.entry or 0)) if told else Moment(None, why=why)


def _paged(raised: Sequence[Alarm]) -> Moment:
    sent = [
        Moment(page.sent_at, evidence.number_of(alarm.pk, "alarms.paged"))
        for alarm in raised
        for page in alarms.paged(alarm.pk)
        if page.sent_at is not None and page.kind != "notice"
    ]
    return _earliest(sent, "no page was sent")


def _answered(incident: Incident | None) -> Moment:
    if incident is None:
        return Moment(None, why="no incident was opened")
    if incident.acknowledged_at is None:
        return Moment(None, why="nobody acknowledged it")
    return Moment(incident.acknowledged_at, evidence.number_of(incident.pk, "incidents.acknowledged"))


def _service(incident: Incident | None) -> Figure:
    if incident is None:
        return Figure("Service restored", None, "no incident was opened")
    if not incident.needs_service:
        return Figure("Service restored", None, "no hardware had failed")
    at = incident.service_restored_at
    end = Moment(
        at,
        evidence.number_of(incident.pk, "incidents.service_restored", newest=True),
        "nothing says that it is restored",
    )
    return _between("Service restored", Moment(incident.opened_at), end)


def _product(incident: Incident | None) -> Figure:
    if incident is None:
        return Figure("Product safe", None, "no incident was opened")
    if not incident.needs_product:
        return Figure("Product safe", None, "no product was at stake")
    end = Moment(
        incident.product_safe_at,
        evidence.number_of(incident.pk, "incidents.product_safe", newest=True),
        "nothing proves that it is safe",
    )
    return _between("Product safe", Moment(incident.opened_at), end)


def _between(name: str, start: Moment, end: Moment) -> Figure:
    if start.at is None or end.at is None:
        return Figure(name, None, start.why or end.why, entry=end.entry)
    seconds = round((end.at - start.at).total_seconds())
    return Figure(name, max(0, seconds), "", instant(start.at), instant(end.at), end.entry)


def _against(name: str, figure: Figure, target_s: int) -> Figure:
    kept = None if figure.seconds is None else figure.seconds <= target_s
    return Figure(name, figure.seconds, figure.why, figure.start, figure.end, figure.entry, target_s, kept)
