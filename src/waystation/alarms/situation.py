"""Rows turned into what the rules take: conditions, lives, the matrix in force, who is on call, what is quiet."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db.models import Q

from waystation.access import queries as access
from waystation.alarms.models import Alarm, EscalationPolicy, MatrixVersion, Override, Page, Rotation, Suppression
from waystation.alarms.rules import chain, escalation, lifecycle, oncall
from waystation.alarms.rules.conditions import Condition
from waystation.alarms.rules.matrix import Matrix, MatrixRow, classify, parse
from waystation.alarms.rules.shipped_matrix import SHIPPED_MATRIX
from waystation.kernel.canonical import instant
from waystation.registry.models import Site

_QUIET_STAGES = ("out_of_service", "window", "silence", "shelve", "inhibit")
_SHIPPED = parse(SHIPPED_MATRIX)


def stored(value: Any) -> Any:
    """A fact as JSON keeps it: numbers stay numbers, instants and ids become text."""
    if isinstance(value, datetime):
        return instant(value)
    if isinstance(value, bool | int | float | str) or value is None:
        return value
    if isinstance(value, Mapping):
        return {str(k): stored(v) for k, v in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [stored(v) for v in (sorted(value, key=str) if isinstance(value, set | frozenset) else value)]
    return str(value)


def condition_of(alarm: Alarm) -> Condition:
    """The condition that an alarm stands for, with its latest facts."""
    return Condition(
        alarm.rule,
        alarm.site_id,
        alarm.object_kind,
        alarm.object_id,
        alarm.started_at,
        alarm.facts,
        alarm.from_missing_data,
        alarm.worst_case_at,
        alarm.space_id,
    )


def life_of(alarm: Alarm, quiet: str = "") -> lifecycle.Life:
    """The facts of an alarm's life."""
    acked = (alarm.acked_at, str(alarm.acked_by)) if alarm.acked_at else None
    resolved = (alarm.resolved_at, "") if alarm.resolved_at else None
    return lifecycle.Life(alarm.raised_at, acked, alarm.cleared_at, resolved, quiet)


def quiet_of(judgement: chain.Judgement) -> str:
    """The kind of suppression that holds an alarm, or nothing."""
    return judgement.last.stage if judgement.last.stage in _QUIET_STAGES and judgement.outcome == chain.HOLD else ""


def row_of(alarm: Alarm) -> MatrixRow:
    """The matrix row as it stood when the alarm was last judged."""
    return parse([alarm.row])[0] if alarm.row.get("when") else MatrixRow(**_tuples(alarm.row))


def _tuples(row: Mapping[str, Any]) -> dict[str, Any]:
    return {k: tuple(v) if isinstance(v, list) else v for k, v in row.items()}


def matrix_in_force() -> tuple[int, Matrix]:
    """The newest edition with its number; 0 is the one that ships."""
    newest = MatrixVersion.objects.order_by("-number").first()
    return (newest.number, parse(newest.rows)) if newest else (0, _SHIPPED)


def quiets(site_id: UUID, now: datetime) -> list[chain.Quiet]:
    """The live suppressions of a site."""
    live = Suppression.objects.filter(site_id=site_id, starts_at__lte=now, ends_at__gt=now).order_by("starts_at", "pk")
    return [quiet(s) for s in live]


def quiet(row: Suppression) -> chain.Quiet:
    """A suppression as the chain takes it."""
    objects = frozenset(str(o) for o in row.object_ids)
    return chain.Quiet(str(row.pk), row.kind, row.starts_at, row.ends_at, frozenset(row.rules), objects)


def rotations(role: str, site_id: UUID | None) -> list[Rotation]:
    """The live rotations of a role: the site's own, else those for everywhere."""
    live = list(
        Rotation.objects.filter(Q(site_id=site_id) | Q(site_id=None), role=role, ended_at=None).order_by("name", "pk")
    )
    own = [r for r in live if r.site_id is not None]
    return own or live


def rota(row: Rotation) -> oncall.Rota:
    """A rotation as the rules take it."""
    hours = tuple(oncall.Hours(int(h["weekday"]), int(h["from_min"]), int(h["to_min"])) for h in row.hours)
    people = tuple(UUID(str(p)) for p in row.people)
    return oncall.Rota(str(row.pk), people, row.zone, row.first_day, row.handover_min, row.turn_days, hours)


def covers(rows: Iterable[Rotation]) -> list[oncall.Cover]:
    """The overrides of rotations that were not withdrawn."""
    held = Override.objects.filter(rotation__in=list(rows), withdrawn_at=None)
    return [oncall.Cover(str(o.rotation_id), o.person_id, o.starts_at, o.ends_at, o.at) for o in held]


def people_now(role: str, site_id: UUID, now: datetime) -> tuple[UUID, ...]:
    """Whom to page for a role: those on call; everybody in the role where nobody is on call or nothing is planned."""
    rows = rotations(role, site_id)
    in_role = tuple(p.pk for p in access.people_in_role(role, site_id, now))
    if not rows:
        return in_role
    named = oncall.on_call([rota(r) for r in rows], covers(rows), now)
    active = {p.pk for p in access.people() if p.is_active}
    found = tuple(dict.fromkeys(s.person_id for s in named if s.person_id in active))
    return found or in_role


class Targets(Mapping[str, Sequence[UUID]]):
    """Role → people to page now, looked up when first asked for."""

    def __init__(self, site_id: UUID, now: datetime) -> None:
        self._site_id, self._now = site_id, now
        self._found: dict[str, tuple[UUID, ...]] = {}

    def __getitem__(self, role: str) -> tuple[UUID, ...]:
        if role not in self._found:
            self._found[role] = people_now(role, self._site_id, self._now)
        return self._found[role]

    def __iter__(self) -> Any:
        return iter(self._found)

    def __len__(self) -> int:
        return len(self._found)

    def get(self, key: str, default: Any = ()) -> Any:
        """The people of a role; empty when there are none."""
        return self[key]


class View:
    """One site at one instant, read once for all its alarms."""

    def __init__(self, site: Site, now: datetime, active: Sequence[Condition] | None = None) -> None:
        self.site, self.now = site, now
        self.number, self.matrix = matrix_in_force()
        self.targets = Targets(site.pk, now)
        self.quiet = quiets(site.pk, now)
        self.page_delay_s = site.service_class.page_delay_s
        self.active = list(active) if active is not None else self._standing()

    def _standing(self) -> list[Condition]:
        return [condition_of(a) for a in Alarm.objects.filter(site=self.site, cleared_at=None)]

    def classify(self, condition: Condition) -> MatrixRow:
        """The matrix row that the condition falls under now."""
        return classify(condition, self.active, self.matrix, self.now)

    def judge(self, alarm: Alarm, row: MatrixRow, pages: Sequence[str] | None = None) -> chain.Judgement:
        """The chain's word on an alarm; `pages` puts the roles of an escalation level in place of the row's."""
        asked = row if pages is None or not row.pages else replace(row, pages=tuple(pages))
        candidate = chain.Candidate(condition_of(alarm), asked, life_of(alarm), alarm.acked_rank)
        return chain.judge(candidate, self._situation(alarm))

    def _situation(self, alarm: Alarm) -> chain.Situation:
        others = Alarm.objects.filter(rule=alarm.rule, object_id=alarm.object_id).exclude(pk=alarm.pk)
        since = self.now - timedelta(seconds=chain.FLAP_WINDOW_S)
        raised, page = list[datetime](), None
        if others.exists():  # most often this is the first alarm of its kind here
            inside = others.filter(raised_at__gt=since, raised_at__lte=self.now)
            raised = list(inside.values_list("raised_at", flat=True))
            said = Page.objects.filter(alarm__in=others, kind="page", at__lte=self.now)
            page = said.order_by("-at", "-rank").first()
        return chain.Situation(
            self.now,
            self.page_delay_s,
            self.site.state,
            self.active,
            self.quiet,
            [*raised, alarm.raised_at],
            (page.at, page.rank) if page else None,
            self.targets,
        )

    def policy_for(self, row: MatrixRow) -> escalation.Policy:
        """The escalation policy in force for the site and severity; the service class gives the default."""
        wait_s = self.site.service_class.acknowledge_within_s
        held = EscalationPolicy.objects.filter(
            Q(site=self.site) | Q(site=None), severity__in=[row.severity, ""], replaced_at=None
        )
        best = sorted(held, key=lambda p: (p.site_id is None, p.severity == ""))
        return escalation.parse(best[0].levels, wait_s) if best else escalation.default_policy(row.pages, wait_s)
