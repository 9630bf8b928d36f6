"""What an incident looks like at this instant: its space, its limit, and where its product could go."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from waystation.incidents.models import Incident
from waystation.journeys import exposure
from waystation.journeys.limits import limit_of
from waystation.kernel.authority import Authority
from waystation.product import queries as product
from waystation.product.models import Consignment
from waystation.product.rules.moving import Move
from waystation.product.rules.time_to_limit import TimeToLimit
from waystation.telemetry import queries as telemetry
from waystation.telemetry.charting import recent
from waystation.telemetry.views import SpaceView

RECENT = timedelta(hours=2)


@dataclass(frozen=True, slots=True)
class Outlook:
    """The space of an incident now. `limit` None: nothing to forecast, because no space or no judging probe."""

    space: SpaceView | None
    limit: TimeToLimit | None
    lots: tuple[Consignment, ...]
    moves: tuple[Move, ...]
    places: dict[str, UUID]  # the spaces of `moves` by name

    @property
    def move(self) -> Move | None:
        """The backup space that is ranked first."""
        return next((m for m in self.moves if m.outcome == "chosen"), None)

    @property
    def limit_at(self) -> datetime | None:
        """The worst-case instant, where it is known."""
        return self.limit.worst.at if self.limit is not None and self.limit.worst.state == "known" else None


def outlook(by: Authority, incident: Incident, *, now: datetime) -> Outlook:
    """Reckoned afresh from the newest readings with the same rules that paged; nothing is kept."""
    if incident.space_id is None:
        return Outlook(None, None, (), (), {})
    view = telemetry.site_view(incident.site_id, now)
    space = next((s for s in view.spaces if s.id == incident.space_id), None)
    if space is None:
        return Outlook(None, None, (), (), {})
    limit = limit_of(space, _recent(space, now), now) if space.judging else None
    lots = tuple(product.standing_in(space.id))
    known = limit.worst.at if limit is not None and limit.worst.state == "known" else None
    moves: tuple[Move, ...] = ()
    if lots:
        sites = {space.site_id, *product.backup_sites(space.id)}
        states = exposure.states(telemetry.site_views(sorted(sites), now).values())
        moves = product.backups(by, space.id, states, now, known)
    return Outlook(space, limit, lots, moves, product.backup_places(space.id))


def is_out_of_range(incident: Incident, now: datetime) -> bool | None:
    """Whether the reading of the incident's space is out of range now; None when that is not known."""
    if incident.space_id is None:
        return None
    view = telemetry.site_view(incident.site_id, now)
    space = next((s for s in view.spaces if s.id == incident.space_id), None)
    if space is None or space.state == "not_proven":
        return None
    return space.state in ("out_high", "out_low")


def _recent(space: SpaceView, now: datetime) -> Callable[[str], list[tuple[float, float]]]:
    codes = [s.code for s in space.judging]
    found = recent({space.site_id: codes}, now - RECENT, now)
    return lambda code: found.get(code, [])
