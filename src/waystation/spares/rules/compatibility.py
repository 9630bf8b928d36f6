"""What may replace what: model, revision, firmware, connector, kit, and what the site itself must run.

The answer is allowed, conditional (with what must be done or checked) or refused (with the reason).
What is not known is never allowed: it becomes a condition that a person settles.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

Verdict = Literal["allowed", "conditional", "refused"]
_ORDER: dict[Verdict, int] = {"allowed": 0, "conditional": 1, "refused": 2}


@dataclass(frozen=True, slots=True)
class Range:
    """Revisions or versions from `low` to `high`, both included; an empty end is open."""

    low: str = ""
    high: str = ""

    def holds(self, version: str) -> bool:
        """True when `version` lies inside."""
        key = version_key(version)
        above = not self.low or version_key(self.low) <= key
        return above and (not self.high or key <= version_key(self.high))

    def words(self) -> str:
        """`4.2`, `4.2 to 4.9`, `up to 4.9` or `any`."""
        if self.low and self.high:
            return self.low if self.low == self.high else f"{self.low} to {self.high}"
        if self.low:
            return f"{self.low} or later"
        return f"up to {self.high}" if self.high else "any"


@dataclass(frozen=True, slots=True)
class Requirement:
    """What the site must run for the part to work: `component` (gateway) within `versions`."""

    component: str
    versions: Range


@dataclass(frozen=True, slots=True)
class Rule:
    """`offered` may replace `installed`. Directed; limited to revisions and firmware; with what it needs.

    `loadable` is the firmware that can be put on the unit before dispatch; `adapter` bridges connectors that
    differ; `condition` is said whenever the rule applies.
    """

    installed: str
    offered: str
    revisions: Range = Range()
    firmware: Range = Range()
    loadable: Range | None = None
    requires: tuple[Requirement, ...] = ()
    adapter: str = ""
    kit_lines: tuple[str, ...] = ()
    condition: str = ""


@dataclass(frozen=True, slots=True)
class Installed:
    """The place to fill: model, revision and connector of what stands there, and what the site runs."""

    model: str
    revision: str = ""
    connector: str = ""
    runs: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Offered:
    """A unit, or a model on a shelf, with the kit lines that lie beside it. Empty text means unknown."""

    place: str
    model: str
    revision: str = ""
    firmware: str = ""
    connector: str = ""
    kit_lines: frozenset[str] = field(default_factory=frozenset)


@dataclass(frozen=True, slots=True)
class Fit:
    """The answer for one offer, with its reasons as one sentence."""

    place: str
    model: str
    verdict: Verdict
    reasons: tuple[str, ...]

    def words(self) -> str:
        """`València refused: revision B needs gateway 4.2; this site runs 4.1.`"""
        return f"{self.place} {self.verdict}: {'; '.join(self.reasons)}."


Finding = tuple[Verdict, str]


def version_key(version: str) -> tuple[tuple[int, int, str], ...]:
    """A sortable key: numbers by value, letters by alphabet, so that 4.10 follows 4.2 and B follows A.

    Closing zeros say nothing: 4.0 equals 4.
    """
    parts = re.findall(r"\d+|[A-Za-z]+", version.removeprefix("v"))
    keys = [(1, int(p), "") if p.isdigit() else (0, 0, p.lower()) for p in parts]
    while len(keys) > 1 and keys[-1] == (1, 0, ""):
        keys.pop()
    return tuple(keys)


def fits(installed: Installed, offer: Offered, rules: Iterable[Rule]) -> Fit:
    """Whether `offer` may replace what is `installed` here; the best of the rules that apply, or the refusals."""
    applying = [rule for rule in rules if _applies(rule, installed, offer)]
    covering = [rule for rule in applying if not offer.revision or rule.revisions.holds(offer.revision)]
    found = [_judge(installed, offer, rule) for rule in covering or applying] or [_unruled(installed, offer)]
    best = min(found, key=lambda findings: (_worst(findings), len(findings)))
    reasons = tuple(dict.fromkeys(words for verdict, words in best if _ORDER[verdict] == _worst(best)))
    verdict = next(v for v, place in _ORDER.items() if place == _worst(best))
    return Fit(offer.place, offer.model, verdict, reasons)


def replacements(installed: Installed, offers: Iterable[Offered], rules: Iterable[Rule]) -> tuple[Fit, ...]:
    """ "What can replace this here?" Every offer, allowed first, then conditional, then refused; none dropped."""
    known = tuple(rules)
    judged = (fits(installed, offer, known) for offer in offers)
    return tuple(sorted(judged, key=lambda fit: (_ORDER[fit.verdict], fit.place, fit.model)))


def groups(models: Iterable[str], rules: Iterable[Rule]) -> tuple[tuple[str, ...], ...]:
    """Interchangeable groups: every member may replace every other without a condition.

    Models that only replace in one direction, or through a third, stay apart: a group's shelf counts as one.
    """
    free = {(r.installed, r.offered) for r in rules if _unconditional(r)}
    made: list[list[str]] = []
    for model in sorted(set(models)):
        home = next((g for g in made if all((m, model) in free and (model, m) in free for m in g)), None)
        if home is None:
            made.append([model])
        else:
            home.append(model)
    return tuple(tuple(group) for group in made)


def _unconditional(rule: Rule) -> bool:
    limited = rule.revisions != Range() or rule.firmware != Range()
    return not (limited or rule.requires or rule.condition or rule.adapter or rule.kit_lines)


def _applies(rule: Rule, installed: Installed, offer: Offered) -> bool:
    return rule.installed == installed.model and rule.offered == offer.model


def _worst(findings: list[Finding]) -> int:
    return max(_ORDER[verdict] for verdict, _ in findings)


def _unruled(installed: Installed, offer: Offered) -> list[Finding]:
    """No rule speaks: the same model and revision fits, another revision is asked about, another model is refused."""
    if offer.model != installed.model:
        return [("refused", f"no rule says that {offer.model} replaces {installed.model}")]
    found = _connectors(installed, offer, "")
    if not offer.revision or offer.revision != installed.revision:
        stands, comes = installed.revision or "unknown", offer.revision or "unknown"
        return [*found, ("conditional", f"no rule covers revision {comes} for {stands}: ask the owner of the part")]
    return [*found, ("allowed", f"same model and revision {offer.revision}")]


def _judge(installed: Installed, offer: Offered, rule: Rule) -> list[Finding]:
    """Every finding of one rule; the answer is the worst of them."""
    found: list[Finding] = [
        ("allowed", "same model" if offer.model == installed.model else f"replaces {installed.model}")
    ]
    found += _revision(offer, rule) + _firmware(offer, rule)
    found += [f for need in rule.requires for f in _requires(installed, offer, need)]
    found += _connectors(installed, offer, rule.adapter)
    missing = sorted(set(rule.kit_lines) - offer.kit_lines)
    if missing:
        found.append(("refused", f"its kit lacks {', '.join(missing)}"))
    if rule.condition:
        found.append(("conditional", rule.condition))
    return found


def _revision(offer: Offered, rule: Rule) -> list[Finding]:
    if rule.revisions == Range():
        return []
    if not offer.revision:
        return [("conditional", f"its revision is unknown: check that it is {rule.revisions.words()}")]
    if rule.revisions.holds(offer.revision):
        return []
    return [("refused", f"revision {offer.revision} is outside {rule.revisions.words()}")]


def _firmware(offer: Offered, rule: Rule) -> list[Finding]:
    wanted = rule.firmware
    if wanted == Range():
        return []
    if not offer.firmware:
        return [("conditional", f"its firmware is unknown: check that it is {wanted.words()}")]
    if wanted.holds(offer.firmware):
        return []
    if rule.loadable is not None:
        return [("conditional", f"load firmware {rule.loadable.words()} first; it has {offer.firmware}")]
    return [("refused", f"firmware {offer.firmware} is outside {wanted.words()}")]


def _requires(installed: Installed, offer: Offered, need: Requirement) -> list[Finding]:
    what = f"revision {offer.revision}" if offer.revision else offer.model
    bound = need.versions.low or need.versions.words()
    running = dict(installed.runs).get(need.component, "")
    if not running:
        return [("conditional", f"{what} needs {need.component} {bound}: check what this site runs")]
    if need.versions.holds(running):
        return []
    wanted = bound if need.versions.low and not need.versions.high else need.versions.words()
    return [("refused", f"{what} needs {need.component} {wanted}; this site runs {running}")]


def _connectors(installed: Installed, offer: Offered, adapter: str) -> list[Finding]:
    if installed.connector == offer.connector:
        return []
    if not installed.connector or not offer.connector:
        return [("conditional", "a connector is unknown: compare the plugs")]
    if not adapter:
        return [("refused", f"connector {offer.connector} does not fit {installed.connector}")]
    if adapter in offer.kit_lines:
        return [("conditional", f"use {adapter}, which lies in the kit")]
    return [("refused", f"it needs {adapter}, which its kit lacks")]
