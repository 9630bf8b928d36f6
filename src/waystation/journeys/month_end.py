"""The report of a closed month: made once by itself, kept byte for byte, read again by network, region or site.

Sites are measured after the month has settled and the result is kept as a document; table and paper are worked out from
the document. What comes later never changes an edition: it makes another one, which stands beside it and says what it
says otherwise.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from waystation.evidence import queries as evidence
from waystation.journeys import month_facts
from waystation.journeys.demand import served
from waystation.journeys.month_files import KINDS, file_of
from waystation.kernel.authority import Authority
from waystation.kernel.canonical import instant
from waystation.kernel.refusals import BadInput, NotFound, NotReady
from waystation.kernel.version import VERSION
from waystation.registry.models import ServiceClass
from waystation.service_levels import editions
from waystation.service_levels.models import MonthEdition
from waystation.service_levels.rules import month as rules

LOOKS_AGAIN = timedelta(days=60)  # as long as the hours of the month are kept
WHOLE = "whole network"


@dataclass(frozen=True, slots=True)
class Scope:
    """Which part of a report is asked for: all of it, or the sites of one network or region, or one site."""

    network: str = ""
    region: str = ""
    site: str = ""

    @property
    def words(self) -> str:
        """How the part is called. Refuses more than one."""
        named = [(k, v) for k, v in (("network", self.network), ("region", self.region), ("site", self.site)) if v]
        if len(named) > 1:
            raise BadInput(
                "service_levels.month_scope", "A report is of one network, one region or one site.", "Name one of them."
            )
        return f"{named[0][0]} {named[0][1]}" if named else WHOLE


def make(by: Authority, month: str, *, now: datetime, again: bool = False) -> MonthEdition:
    """The newest edition of a closed month, made if there is none yet; `again` looks for what came later.

    Refuses a month that is not settled, that no site was active in, or of which hours still wait to be counted (for ten
    days at most; then they are said to be missing).
    """
    by.require("platform.operate")
    held = editions.editions(month)
    if held and not again:
        return held[0]
    before = _document(held[0]) if held else None
    found = _gathered(by, month, before, now)
    changes = rules.differences(before, found) if before else []
    if held and not changes:
        return held[0]
    _refuse_waiting(found, month, now)
    found |= {"edition": held[0].edition + 1 if held else 1, "changes": changes, "made_at": instant(now)}
    document = rules.summed(found)
    files = {kind: file_of(document, kind) for kind in KINDS}
    return editions.keep(by, month, document["edition"], files, changes, now=now)


class Months:
    """The maker of one process: makes what is closed, and once a day looks whether something came later."""

    def __init__(self) -> None:
        self._looked: datetime | None = None

    def run(self, by: Authority, now: datetime) -> int:
        """Make the reports that are due; returns how many editions were made."""
        again = self._looked is None or now - self._looked >= timedelta(days=1)
        before = {row.month: row.edition for row in reversed(editions.editions())}
        made = 0
        for month in _due(now):
            if month not in before or again:
                made += self._made(by, month, before.get(month, 0), now)
        self._looked = now if again else self._looked
        return made

    def _made(self, by: Authority, month: str, before: int, now: datetime) -> int:
        try:
            return int(make(by, month, now=now, again=before > 0).edition > before)
        except NotReady:
            return 0  # hours wait to be counted: the next round asks again


def _due(now: datetime) -> list[str]:
    """The closed months of which the hours are still kept and in which a site was active."""
    opened = evidence.first_said_of_each("registry.site_state", "to", "active").values()
    if not opened:
        return []
    return [
        m
        for m in rules.closed_months(min(opened), now)
        if rules.bounds(m)[1] + LOOKS_AGAIN >= now and month_facts.sites_of(*rules.bounds(m))
    ]


def _gathered(by: Authority, month: str, before: rules.Document | None, now: datetime) -> dict[str, Any]:
    """The document without its edition and sums. The classes are those in force as the month ended; with their targets
    they stay in a later edition.
    """
    start, end = rules.bounds(month)
    settled = rules.settled_at(month)
    if now < settled:
        raise NotReady(
            "service_levels.month_open",
            f"{month} is not closed: readings on their way are waited for until {settled:%-d %b %Y %H:%M} UTC.",
            "The report is made by itself after that.",
        )
    sites = month_facts.sites_of(start, end)
    if not sites:
        raise NotFound("service_levels.month_empty", f"No site was active in {month}.", "Name a later month.")
    rows = {key: site for key, (site, _) in sites.items()}
    period = month_facts.Period(start, end, settled, rows)
    regions = {key: hub.code for key, hub in served(by).first.items()}
    classes = month_facts.classes_at(rows, end) | _classes(rows, before)
    lines = month_facts.site_lines(period, {k: at for k, (_, at) in sites.items()}, regions, classes)
    return {
        "schema": rules.SCHEMA,
        "month": month,
        "scope": WHOLE,
        "start": instant(start),
        "end": instant(end),
        "settled_at": instant(settled),
        "software": VERSION,
        "newest_entry": evidence.newest_entry(),
        "classes": month_facts.targets_of(list(rows.values())),
        "sites": lines,
    } | {name: section(period) for name, section in month_facts.SECTIONS.items()}


def _classes(rows: Mapping[UUID, Any], before: rules.Document | None) -> dict[UUID, ServiceClass]:
    """The classes that the edition before measured by."""
    if before is None:
        return {}
    return {
        UUID(line["site_id"]): ServiceClass(code=line["service_class"], **before["classes"][line["service_class"]])
        for line in before["sites"]
        if UUID(line["site_id"]) in rows
    }


def _refuse_waiting(found: Mapping[str, Any], month: str, now: datetime) -> None:
    waiting_h = sum(s["signals"]["waiting_s"] for s in found["sites"]) / 3600
    if waiting_h and now < rules.bounds(month)[1] + rules.PATIENCE:
        raise NotReady(
            "service_levels.month_waits",
            f"{waiting_h:.0f} space hours of {month} are not counted yet.",
            "See that the worker runs: waystation doctor. The report is made by itself after that.",
        )


def _document(row: MonthEdition) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(editions.content(row, "json"))
    return found


def _may_read(by: Authority) -> None:
    """Whoever reads targets at one site reads of that site."""
    if by.sites("service_levels.read") == frozenset():
        by.require("service_levels.read")


def months(by: Authority) -> list[MonthEdition]:
    """The editions that there are, the newest month first."""
    _may_read(by)
    return editions.editions()


def edition(by: Authority, month: str, number: int | None = None) -> MonthEdition:
    """An edition of a month: the first one unless a number is named. Refuses a month without a report."""
    _may_read(by)
    settled = rules.settled_at(month)
    if number is not None:
        return editions.one(month, number)
    held = editions.editions(month)
    if not held:
        raise NotFound(
            "service_levels.month_unknown",
            f"There is no report of {month}.",
            f"It is made by itself after {settled:%-d %b %Y %H:%M} UTC, when a worker runs.",
        )
    return held[-1]


def document(by: Authority, row: MonthEdition, scope: Scope | None = None) -> dict[str, Any]:
    """The document of an edition: the part that is asked for, and of it the sites that the caller sees."""
    words, seen = (scope or Scope()).words, by.sites("service_levels.read")
    found = _document(row)
    if words == WHOLE and seen is None:
        return found
    asked = scope or Scope()
    part = rules.scoped(found, lambda s: _wanted(s, asked) and (seen is None or s["site_id"] in seen), words)
    if not part["sites"]:
        raise NotFound(
            "service_levels.month_scope_unknown", f"The report of {row.month} has no {words}.", "See its sites."
        )
    return part


def _wanted(site: Mapping[str, Any], scope: Scope) -> bool:
    asked = (("network", scope.network), ("region", scope.region), ("site", scope.site))
    return all(not value or site[key] == value for key, value in asked)


def report(by: Authority, row: MonthEdition, kind: str, scope: Scope | None = None) -> bytes:
    """A file (json, csv, pdf) of an edition or of a part of it. The whole one is read as it was kept."""
    if kind not in KINDS:
        raise BadInput(
            "service_levels.month_kind", f"There is no {kind} of a month report.", "Ask for json, csv or pdf."
        )
    if (scope or Scope()).words == WHOLE and by.sites("service_levels.read") is None:
        return editions.content(row, kind)
    return file_of(document(by, row, scope), kind)


def name_of(row: MonthEdition, kind: str, scope: Scope | None = None) -> str:
    """The name of a file: the first edition has the month's own name, a later one stands beside it."""
    words = (scope or Scope()).words
    part = "" if words == WHOLE else "." + words.replace(" ", "-")
    later = f".edition-{row.edition}" if row.edition > 1 else ""
    return f"month-{row.month}{part}{later}.{kind}"


def later(row: MonthEdition, held: Sequence[MonthEdition]) -> MonthEdition | None:
    """The newest edition that supersedes this one, or none."""
    newer = [other for other in held if other.month == row.month and other.edition > row.edition]
    return max(newer, key=lambda other: other.edition, default=None)
