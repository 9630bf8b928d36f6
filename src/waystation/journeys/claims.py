"""A claim of an excursion or an incident: the evidence pack of its time with what it cost, as far as records say.

What nobody stated is not stated, never nought. The estimate stands in the pack's claim, so the log vouches for it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from waystation.access import queries as access
from waystation.evidence import queries as evidence
from waystation.evidence.ports import TimeStamper
from waystation.evidence.rules.pack import archive
from waystation.evidence.witnesses import LineOf
from waystation.incidents import queries as incidents
from waystation.incidents.models import Incident
from waystation.journeys import evidence_pack
from waystation.journeys.evidence_pack import half_a_second
from waystation.journeys.exposure import same_time
from waystation.journeys.paper.claimed import claim_paper
from waystation.journeys.paper.document import paper
from waystation.kernel.authority import Authority
from waystation.kernel.canonical import instant, plain
from waystation.kernel.refusals import BadInput, NotFound, NotReady
from waystation.product import queries as product
from waystation.product.models import ProductHold
from waystation.product.rules import loss
from waystation.registry.models import Site
from waystation.spares import queries as spares
from waystation.telemetry import queries as telemetry
from waystation.telemetry.models import Excursion

MARGIN = timedelta(hours=1)
SCHEMA = "waystation.loss/1"
ORDERED = {"vendor": "Replacement", "purchase": "Purchase"}


@dataclass(frozen=True, slots=True)
class Subject:
    """What is claimed for: its excursions, the incident where there is one, and the time that the pack covers."""

    name: str
    site: Site
    excursions: tuple[Excursion, ...]
    incident: Incident | None
    start: datetime
    end: datetime

    @property
    def space_code(self) -> str | None:
        """The space, where all excursions are of one; None packs the whole site."""
        codes = {e.space.code for e in self.excursions}
        if not codes and self.incident is not None and self.incident.space is not None:
            codes = {self.incident.space.code}
        return codes.pop() if len(codes) == 1 else None


def subject(by: Authority, *, incident: str = "", excursion: str = "", now: datetime) -> Subject:
    """What a claim is about: an incident by number or id, or an excursion by id. Needs evidence.pack at its site."""
    if bool(incident) == bool(excursion):
        raise BadInput(
            "evidence.claim_subject", "Name an incident or an excursion.", "One of the two.", field="incident"
        )
    if incident:
        row = incidents.incident(by, incident)
        links = incidents.links(row.pk, "excursion")
        found = [e for e in _as_they_stand([link.object_id for link in links]) if e.site_id == row.site_id]
        start = min([row.detected_at, *(e.started_at for e in found)])
        ends = [row.resolved_at, *(e.ended_at for e in found)]
        name, site, held = row.name, row.site, row
    else:
        first = telemetry.excursion(_id(excursion))
        if first is None or not by.may("registry.read", first.site_id):
            raise NotFound("evidence.claim_unknown", f"There is no excursion {excursion}.", "Open one from its space.")
        found = _as_they_stand(same_time(first, first, now))
        joined = [i for i in incidents.incidents_of("excursion", first.pk) if i.site_id == first.site_id]
        start = min(e.started_at for e in found)
        ends = [e.ended_at for e in found]
        name, site = f"excursion of {first.space.code}, {first.started_at:%Y-%m-%d %H:%M} UTC", first.space.site
        held = joined[0] if joined else None  # type: ignore[assignment]
    by.require("evidence.pack", site.pk)
    told = [at for at in ends if at is not None]
    end = min(now, max(told) + MARGIN) if len(told) == len(ends) else now
    return Subject(name, site, tuple(found), held, start - MARGIN, end)


def estimate(by: Authority, about: Subject) -> dict[str, Any]:
    """The loss as plain values (waystation.loss/1): lots, totals by currency, other costs, what is unknown."""
    holds = product.holds_of([e.pk for e in _of_all_judgements(about)])
    by_lot: dict[UUID, list[ProductHold]] = {}
    for hold in holds:
        by_lot.setdefault(hold.consignment_id, []).append(hold)
    rows = [_lot(some) for some in by_lot.values()]
    found = loss.estimate([stake for stake, _ in rows])
    costs = _costs(by, about)
    return {
        "schema": SCHEMA,
        "subject": about.name,
        "incident": about.incident.name if about.incident else "",
        "excursions": [_excursion(e) for e in about.excursions],
        "lots": [said for _, said in rows],
        "totals": [{"currency": t.currency, "low": str(t.low), "high": str(t.high)} for t in found.totals],
        "value_not_stated": list(found.unstated),
        "costs": costs,
        "not_known": _not_known(by, about, found, rows, costs),
    }


def make(
    by: Authority,
    about: Subject,
    *,
    now: datetime,
    wait: Callable[[], None] = half_a_second,
    line_of: LineOf | None = None,
    stamper: TimeStamper | None = None,
) -> bytes:
    """An archive of the pack (with the estimate in its claim), the claim on one page, and the pack's own paper."""
    if not about.start < about.end:
        raise NotReady("evidence.claim_period", "The time of the claim is empty.", "Ask again in a minute.")
    data = evidence_pack.make(
        by,
        str(about.site.pk),
        about.start,
        about.end,
        space=about.space_code,
        more={"loss": estimate(by, about)},
        now=now,
        wait=wait,
        line_of=line_of,
        stamper=stamper,
    )
    name = file_name(about)
    members = {f"{name}.pack.zip": data, f"{name}.claim.pdf": claim_paper(data), f"{name}.pdf": paper(data)}
    return archive(members)


def file_name(about: Subject) -> str:
    """The name that the files of a claim begin with."""
    what = about.incident.name if about.incident else f"{about.site.code}-{about.space_code or 'site'}"
    return f"claim-{what}-{about.start:%Y%m%d}"


def _id(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        words = f"{text!r} names no excursion."
        raise BadInput("evidence.claim_excursion", words, "Give its id.", field="excursion", value=text) from None


def _as_they_stand(keys: Sequence[UUID]) -> list[Excursion]:
    """The excursions of these ids, without records whose place another one took."""
    rows = [row for row in (telemetry.excursion(key) for key in keys) if row is not None]
    live = [row for row in rows if row.superseded_at is None]
    return sorted(live or rows, key=lambda e: (e.started_at, str(e.pk)))


def _of_all_judgements(about: Subject) -> list[Excursion]:
    """Holds name the record of the time when they opened, so those that were judged anew count too."""
    found = {e.pk: e for e in about.excursions}
    for row in about.excursions:
        for beside in telemetry.excursions_between(row.started_at, row.ended_at or about.end, [row.site_id]):
            if (beside.space_id, beside.direction) == (row.space_id, row.direction):
                found[beside.pk] = beside
    return list(found.values())


def _excursion(row: Excursion) -> dict[str, str]:
    return {
        "space": row.space.code,
        "direction": row.direction,
        "from": instant(row.started_at),
        "to": instant(row.ended_at) if row.ended_at else "",
        "peak_c": str(plain(row.peak_c)),
        "limit_c": str(plain(row.limit_c)),
        "out_of_range_s": str(plain(row.measured_s)),
        "not_proven_s": str(plain(row.unknown_s)),
    }


def _lot(holds: Sequence[ProductHold]) -> tuple[loss.LotAtStake, dict[str, Any]]:
    lot, worth = holds[0].consignment, product.value_of(holds[0].consignment_id)
    decided = loss.disposition_of(h.state for h in holds)
    currency = worth.currency if worth else ""
    stake = loss.LotAtStake(lot.lot, lot.quantity, worth.unit_value if worth else None, currency, decided)
    span = loss.loss_of(stake)
    said: dict[str, Any] = {
        "id": str(lot.pk),
        "lot": lot.lot,
        "product": lot.product,
        "quantity": str(lot.quantity.normalize() if lot.quantity else Decimal(0)),
        "unit": lot.unit,
        "disposition": decided,
        "out_of_range_s": str(plain(max(h.measured_s for h in holds))),
        "worst_case_s": str(plain(max(h.worst_case_s for h in holds))),
        "holds": [str(h.pk) for h in holds],
        "unit_value": "not stated",
        "loss": "not stated" if span is None else _range(span.low, span.high, currency),
    }
    if worth is not None:
        said |= {"unit_value": str(worth.unit_value), "currency": currency, "source": worth.source}
        said |= {"stated_by": access.names({worth.stated_by}).get(worth.stated_by, str(worth.stated_by))}
        said |= {"stated_at": instant(worth.stated_at), "value_entry": evidence.number_of(worth.pk)}
    return stake, said


def _range(low: Decimal, high: Decimal, currency: str) -> str:
    low, high = low.quantize(loss.CENT), high.quantize(loss.CENT)
    if high == 0:
        return "none"
    return f"{high} {currency}" if low == high else f"{low} to {high} {currency}"


def _costs(by: Authority, about: Subject) -> list[dict[str, str]]:
    """What travelled, was installed or ordered, at the price on record; without a price it is named and not stated.

    What no vendor confirmed yet has none.
    """
    if about.incident is None or not by.may("spares.read"):
        return []
    found = []
    held = spares.of_incident(by, about.incident.pk)
    for sent in held["dispatches"]:
        if sent.shipped_at is not None or sent.picked_at is not None:
            lane = sent.lane.cost if sent.lane is not None else None
            found.append(_cost(f"Way of {sent.unit.serial} from {sent.from_hub.name}", lane))
        if sent.state == "installed":
            found.append(_cost(f"{sent.unit.part.name}, serial {sent.unit.serial}", sent.unit.part.unit_cost))
    for order in held["orders"]:
        if order.state != "canceled":
            what, vendor = ORDERED[order.offer.channel], order.offer.vendor.name
            found.append(_cost(f"{what} from {vendor}", None if order.state == "wanted" else order.cost))
    return found


def _cost(what: str, amount: Decimal | None) -> dict[str, str]:
    """On record 0 says that nobody gave a price."""
    return {"what": what, "amount": str(amount) if amount is not None and amount > 0 else "not stated"}


def _not_known(
    by: Authority,
    about: Subject,
    found: loss.Estimate,
    rows: Sequence[tuple[loss.LotAtStake, dict[str, Any]]],
    costs: Sequence[dict[str, str]],
) -> list[str]:
    said = []
    if not about.excursions:
        said.append("No excursion is joined: no time out of range is on record.")
    if any(e.ended_at is None for e in about.excursions):
        said.append("The excursion is not over: times and lots may still grow.")
    if not rows:
        said.append("No lot was held: which product was inside is not on record.")
    if found.unstated:
        said.append(f"What a unit is worth is not stated: {', '.join(found.unstated)}. They are not in the total.")
    waiting = [stake.lot for stake, _ in rows if stake.disposition in ("open", "transferred")]
    if waiting:
        said.append(f"Not decided whether lost: {', '.join(waiting)}. The upper end counts them.")
    if any(one["amount"] == "not stated" for one in costs):
        said.append("Some costs of spares, their ways and orders have no price on record.")
    if any(one["amount"] != "not stated" for one in costs):
        said.append("Prices of spares, ways and orders have no currency on record: they stand beside the total.")
    if about.incident is not None and not by.may("spares.read"):
        said.append("Costs of spares and couriers are not shown: who made this may not see spares.")
    if about.incident is None:
        said.append("No incident is joined: costs of spares and couriers are not on record.")
    return said
