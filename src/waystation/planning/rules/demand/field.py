"""What the installed base says of demand: hazards by age and mode, models that fail more, places that differ.

Mean failures of a class at a place, month and mode = place x sum over models (model x units of age a x hazard(a)),
hazard(a) = s ((a+1)^shape - a^shape) (Weibull, minimal repair). Shapes are read off a grid by likelihood; multipliers
of models and places are gamma distributed around 1. What a count by model says is used where it is known; elsewhere
failures are shared out in proportion to their means (EM; Dempster, Laird and Rubin 1977).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from waystation.kernel.refusals import BadInput
from waystation.planning.rules.counts import Array

SHAPES = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.2, 1.5, 1.8, 2.2, 2.6, 3.0, 3.5, 4.0, 5.0)
ROUNDS = 25
MODEL_WEIGHT, PLACE_WEIGHT = 1.0, 6.0  # failures' worth of belief that a model, or a place, is like the others
MANY_TIMES, BAD_SHAPE, LIKE_SHAPE, BAD_SHARE = 3.0, 8.0, 20.0, 0.1
CELLS = 40_000_000


@dataclass(frozen=True, slots=True)
class Base:
    """Units in the field of one class: `units` has the shape (models, places, months, ages), ages in months."""

    models: tuple[str, ...]
    units: Array


@dataclass(frozen=True, slots=True)
class Hazard:
    """Failures of a unit between two ages in months: size x (to^shape - from^shape)."""

    shape: float
    size: float

    def by_age(self, ages: int) -> Array:
        """Failures in each month of age from 0."""
        found: Array = self.size * np.diff(np.arange(ages + 1.0) ** self.shape)
        return found


@dataclass(frozen=True, slots=True)
class Fit:
    """Hazards by mode, multipliers by model and place, and by model the failures seen and those like the others."""

    hazards: tuple[Hazard, ...]
    model: Array
    place: Array
    failures: Array
    expected: Array


@dataclass(frozen=True, slots=True)
class Suspect:
    """A model with its failures, those of a model like the others, and the probability that it fails many times more.

    `flagged` above one half: then it is more likely a bad actor than not.
    """

    model: str
    failures: float
    expected: float
    ratio: float | None
    probability: float
    flagged: bool


@dataclass(frozen=True, slots=True)
class Installed:
    """Units of one model put in at one place: months count from the start of the history, the past is negative."""

    model: str
    place: int
    install_month: int
    retire_month: int
    units: float


def base_of(cohorts: Sequence[Installed], places: int, months: int) -> Base:
    """The base of every month from 0 to `months` (those ahead included, as planned)."""
    models = tuple(sorted({c.model for c in cohorts}))
    ages = max((months - c.install_month for c in cohorts), default=1)
    if len(models) * places * months * ages > CELLS:
        raise BadInput(
            "planning.base_size",
            f"{len(models)} models at {places} places over {months} months are too many to hold at once.",
            "Fit each asset class by itself.",
            field="cohorts",
        )
    units = np.zeros((len(models), places, months, max(1, ages)))
    at = {model: n for n, model in enumerate(models)}
    for cohort in cohorts:
        when = np.arange(max(0, cohort.install_month), min(months, cohort.retire_month))
        units[at[cohort.model], cohort.place, when, when - cohort.install_month] += cohort.units
    return Base(models, units)


def fit(base: Base, counts: Array, by_model: Array | None = None) -> Fit:
    """Hazards and multipliers from `counts` (places, modes, months) of the first months of the base.

    `by_model` (models) are failures by model over the first months that it covers whole, when known.
    """
    months = counts.shape[2]
    known = months if by_model is None else _covered(by_model, counts)
    units = base.units[:, :, :months]
    model, place = np.ones(len(base.models)), np.ones(units.shape[1])
    hazards: tuple[Hazard, ...] = ()
    failures = expected = np.zeros(len(base.models))
    for _ in range(ROUNDS):
        aged = np.tensordot(model, units, (0, 0)) * place[:, None, None]
        hazards = tuple(_hazard(aged, counts[:, mode]) for mode in range(counts.shape[1]))
        each = units @ sum(h.by_age(units.shape[3]) for h in hazards)
        whole = np.tensordot(model, each, (0, 0))
        place = (PLACE_WEIGHT + counts.sum(axis=(1, 2))) / (PLACE_WEIGHT + whole.sum(axis=1))
        each = each * place[None, :, None]
        first = 0 if by_model is None else known
        shared = _shared(model, each[:, :, first:], counts[:, :, first:].sum(axis=1))
        failures = shared if by_model is None else by_model + shared
        expected = each.sum(axis=(1, 2))
        model = (MODEL_WEIGHT + failures) / (MODEL_WEIGHT + expected)
    return Fit(hazards, model, place, failures, expected)


def mean(base: Base, found: Fit) -> Array:
    """Mean failures of every month of the base, those ahead included; shape (places, modes, months)."""
    aged = np.tensordot(found.model, base.units, (0, 0)) * found.place[:, None, None]
    return np.stack([aged @ h.by_age(base.units.shape[3]) for h in found.hazards], axis=1)


def suspects(base: Base, found: Fit) -> tuple[Suspect, ...]:
    """Each model judged against the others of its class at the same ages and places; the most suspect first.

    Most models vary around 1 (gamma, shape 20), one in ten is taken to fail three times as much (shape 8).
    """
    return suspected(base.models, found.failures, found.expected * _usual(found))


def suspected(models: Sequence[str], failures: Array, expected: Array) -> tuple[Suspect, ...]:
    """Each model by its failures beside those of a model like the others; the most suspect first."""
    told = []
    for name, seen, like in zip(models, failures.tolist(), expected.tolist(), strict=True):
        chance = _probability(seen, like)
        told.append(Suspect(name, seen, like, seen / like if like > 0.0 else None, chance, chance > 0.5))
    return tuple(sorted(told, key=lambda s: (-s.probability, s.model)))


def _covered(by_model: Array, counts: Array) -> int:
    """How many first months the counts by model cover: where the sums meet."""
    total, sums = float(by_model.sum()), np.cumsum(counts.sum(axis=(0, 1)))
    months = int(np.searchsorted(sums, total)) + 1
    if months > len(sums) or sums[months - 1] != total:
        raise BadInput(
            "planning.by_model",
            f"{total:g} failures by model are not those of any first months of the history.",
            "Count both over the same months.",
            field="by_model",
        )
    return int(np.searchsorted(sums, total, side="right"))


def _hazard(aged: Array, counts: Array) -> Hazard:
    """The likeliest shape of the grid with its size; half a failure is added so that a quiet mode keeps a hazard."""
    best, held = -math.inf, Hazard(1.0, 0.0)
    ages = np.arange(aged.shape[2] + 1.0)
    for shape in SHAPES:
        means = aged @ np.diff(ages**shape)
        total = float(means.sum())
        if total <= 0.0:
            continue
        size = (float(counts.sum()) + 0.5) / total
        told = float((counts * np.log(np.maximum(size * means, 1e-12)) - size * means).sum())
        if told > best:
            best, held = told, Hazard(shape, size)
    return held


def _shared(model: Array, each: Array, counts: Array) -> Array:
    """Failures of months without counts by model, shared out by their means."""
    mine = model[:, None, None] * each
    part: Array = (mine * (counts / np.maximum(mine.sum(axis=0), 1e-12))[None]).sum(axis=(1, 2))
    return part


def _usual(found: Fit) -> float:
    """The middle ratio of the models that say something; 1 where none does."""
    told = found.expected > 5.0
    return float(np.median(found.failures[told] / found.expected[told])) if told.any() else 1.0


def _probability(failures: float, expected: float) -> float:
    if expected <= 0.0:
        return BAD_SHARE
    bad = _log_mass(failures, expected, BAD_SHAPE, MANY_TIMES) + math.log(BAD_SHARE)
    like = _log_mass(failures, expected, LIKE_SHAPE, 1.0) + math.log(1.0 - BAD_SHARE)
    return 1.0 / (1.0 + math.exp(min(700.0, like - bad)))


def _log_mass(failures: float, expected: float, shape: float, times: float) -> float:
    """Log probability of a gamma-Poisson count, without the part that both hypotheses share."""
    rate = shape / times
    own = math.lgamma(failures + shape) - math.lgamma(shape) + shape * math.log(rate / (rate + expected))
    return own + failures * math.log(expected / (rate + expected))
