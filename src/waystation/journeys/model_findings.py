"""What the record says of models: bad actors and what to do about them, a family on fewer models, a way out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime

import numpy as np

from waystation.incidents.models import Incident
from waystation.journeys.demand import MONTHS
from waystation.kernel.authority import Authority
from waystation.planning.rules.demand.field import Suspect, suspected
from waystation.planning.rules.demand.needs import MONTH
from waystation.planning.rules.living.findings import (
    Facts,
    ModelStock,
    Proposal,
    Rationalised,
    Retirement,
    proposals,
    rationalised,
    retirement,
)
from waystation.registry.models import Device, Part
from waystation.spares.models import Replacement, Round, Unit

COVER, LEAD_DAYS = 0.95, 21.0


@dataclass(frozen=True, slots=True)
class Finding:
    """A model, how it stands to the others of its group, and what is proposed."""

    suspect: Suspect
    proposals: tuple[Proposal, ...]


def groups(by: Authority) -> list[str]:
    """The part groups whose parts name a model."""
    by.require("planning.read")
    return sorted(set(Part.objects.exclude(model=None).values_list("group", flat=True)))


def findings(by: Authority, group: str, *, now: datetime) -> list[Finding]:
    """The models of a part group beside each other, by the incidents for which a part was needed."""
    by.require("planning.read")
    models = _models(group)
    failures = _failures(group, now)
    units = np.array([float(m.in_field) for m in models])
    came = np.array([float(failures[m.model]) for m in models])
    if not len(models) or units.sum() == 0.0:
        return []
    rest_units, rest = np.maximum(units.sum() - units, 0.0), came.sum() - came
    like = np.where(rest_units > 0.0, rest / np.maximum(rest_units, 1.0) * units, came)
    told = suspected([m.model for m in models], came, like)
    facts = {m.model: _facts(m, now.date()) for m in models}
    return [Finding(s, proposals(s, facts[s.model], MONTHS, LEAD_DAYS, COVER)) for s in told]


def fewer_models(by: Authority, group: str, *, now: datetime) -> Rationalised:
    """The group served by fewer models: what goes, what it saves, what stands in the way."""
    by.require("planning.read")
    failures = _failures(group, now)
    models = [_rated(m, failures[m.model]) for m in _models(group)]
    return rationalised(models, LEAD_DAYS, COVER)


def way_out(
    by: Authority, group: str, model: str, leaving: Sequence[tuple[int, int]], *, now: datetime
) -> Retirement | None:
    """When the stock of a model runs out and its last site goes; None for a model that the group has not."""
    by.require("planning.read")
    failures = _failures(group, now)
    found = [_rated(m, failures[m.model]) for m in _models(group) if m.model == model]
    return retirement(found[0], leaving, COVER) if found else None


def _rated(model: ModelStock, failures: int) -> ModelStock:
    return replace(model, per_month=failures / MONTHS)


def _models(group: str) -> list[ModelStock]:
    """The models of a group with units in the field and on the shelf; needs of a part are what stands in the way."""
    parts = list(Part.objects.filter(group=group).exclude(model=None).select_related("model"))
    names = {p.model_id: p.model.name for p in parts if p.model}
    field = Counter(Device.objects.filter(model_id__in=names, removed_at=None).values_list("model__name", flat=True))
    shelf = Unit.objects.filter(part__in=parts, state="stocked")
    held = Counter(shelf.values_list("part__model__name", flat=True))
    kits = Counter(u.part.model.name for u in shelf.select_related("part__model") if u.kit_lines and u.part.model)
    found = []
    for name in sorted(set(names.values())):
        mine = [p for p in parts if p.model and p.model.name == name]
        blockers = tuple(f"needs {k.replace('_', ' ')} {v}" for p in mine for k, v in sorted(p.needs.items()))
        cost = max(float(p.unit_cost) for p in mine)
        found.append(ModelStock(name, field[name], 0.0, held[name], cost, kits[name], len(mine), blockers))
    return found


def _failures(group: str, now: datetime) -> Counter[str]:
    """Incidents by model of the last three years for which a part was looked for."""
    asked = Round.objects.filter(at__gte=now - MONTHS * MONTH, at__lte=now).values_list("incident_id", flat=True)
    models = Part.objects.filter(group=group).exclude(model=None).values_list("model_id", flat=True)
    rows = Incident.objects.filter(pk__in=list(asked), device__model_id__in=list(models))
    return Counter(name for name in rows.values_list("device__model__name", flat=True) if name)


def _facts(model: ModelStock, today: date) -> Facts:
    devices = Device.objects.filter(model__name=model.model, removed_at=None)
    under = devices.filter(warranty_until__gte=today).count()
    over = devices.filter(warranty_until__lt=today).count()
    has_other = Replacement.objects.filter(installed__name=model.model).exclude(offered__name=model.model).exists()
    return Facts(model.in_field, under, over, has_other)
