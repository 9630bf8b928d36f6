"""Keeping records: a hold is placed on what people name, and found again as times of sites that nothing may touch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from uuid import UUID

from waystation.evidence import holds
from waystation.evidence.models import Hold
from waystation.incidents import queries as incidents
from waystation.kernel.authority import Authority
from waystation.kernel.refusals import BadInput
from waystation.product import queries as product
from waystation.registry import queries as registry
from waystation.telemetry.rules.thinning import Span

FOR_EVER_US = 2**62


def hold(
    by: Authority,
    *,
    subject: str,
    name: str,
    reason: str,
    now: datetime,
    since: datetime | None = None,
    until: datetime | None = None,
) -> Hold:
    """Hold the records of a site (its code), a space (SITE/SPACE), an incident (INC-12) or a lot.

    Everything that its sites recorded in the period stays whole; an end that is not named is open.
    """
    subject_id, words, site_id = _named(by, subject, name.strip())
    return holds.place(
        by,
        subject=subject,
        subject_id=subject_id,
        name=words,
        site_id=site_id,
        reason=reason,
        since=since,
        until=until,
        now=now,
    )


def held_of(now: datetime) -> Callable[[UUID], Sequence[Span]]:
    """What the holds keep of a site, asked anew each time. A consignment is held at every site where it ever stood."""

    def spans(site_id: UUID) -> list[Span]:
        return [_span(one) for one in holds.binding(now) if site_id in _sites_of(one)]

    return spans


def _named(by: Authority, subject: str, name: str) -> tuple[UUID, str, UUID | None]:
    if subject == "site":
        site = registry.site(by, name)
        return site.pk, site.name, site.pk
    if subject == "space":
        site_code, _, code = name.partition("/")
        space = next((s for s in registry.spaces(registry.site(by, site_code).pk) if s.code == code), None)
        if space is None:
            raise _unknown("space", name, "Write it as SITE/SPACE, by their codes.")
        return space.pk, name, space.site_id
    if subject == "incident":
        found = incidents.incident(by, name)
        return found.pk, f"INC-{found.number}", found.site_id
    if subject == "consignment":
        lots = product.lots_named(by, name)
        if len(lots) != 1:
            raise _unknown("lot", name, "Write the lot as it stands on the page of its space.")
        return lots[0].pk, lots[0].lot, None
    raise _unknown("subject", subject, f"Hold a {', '.join(holds.SUBJECTS)}.")


def _sites_of(one: Hold) -> set[UUID | None]:
    if one.subject == "consignment":
        return set(product.sites_of_lot(one.subject_id))
    return {one.site_id}


def _span(one: Hold) -> Span:
    start_us = round(one.since.timestamp() * 1e6) if one.since else -FOR_EVER_US
    end_us = round(one.until.timestamp() * 1e6) if one.until else FOR_EVER_US
    return Span(start_us, end_us, f"hold on {one.subject} {one.name}")


def _unknown(what: str, name: str, step: str) -> BadInput:
    return BadInput("evidence.hold_subject", f"{name!r} names no {what} that can be held.", step, field="name")
