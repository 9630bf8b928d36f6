"""The demand sets that are given: real series of car parts, and a synthetic fleet with its planted truth.

Read without Django, so that the benchmark scores what the tests hold.
"""

from __future__ import annotations

import csv
import math
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from waystation.planning.rules.demand.field import Base, Installed, base_of

DEMAND = Path(__file__).resolve().parents[4] / "shared" / "data" / "demand"
FOLDER = DEMAND / "fleet_dev"
MODES = ("infant", "random", "wearout")
MONTHS = 60


@dataclass(frozen=True)
class FieldData:
    """By class: its base, demand (regions, modes, months), failures by model; and the models that were made bad."""

    bases: tuple[Base, ...]
    counts: tuple[np.ndarray, ...]
    by_model: tuple[np.ndarray, ...]
    bad: frozenset[str]


def carparts() -> np.ndarray:
    """The complete monthly series, shape (series, months)."""
    with (DEMAND / "carparts_dev.csv").open() as file:
        rows = list(csv.reader(file))[1:]
    series = np.array([[float(v) if v else math.nan for v in row[1:]] for row in rows])
    whole: np.ndarray = series[~np.isnan(series).any(axis=1)]
    return whole


def _rows(name: str) -> list[dict[str, str]]:
    with (FOLDER / name).open() as file:
        return list(csv.DictReader(file))


def _months(cohort: dict[str, str]) -> tuple[int, int]:
    return int(cohort["install_month"]), int(cohort["retire_month"])


@cache
def field_data() -> FieldData:
    """Read once."""
    cohorts, truth = _rows("cohorts.csv"), _rows("models_truth.csv")
    regions = sorted({c["region"] for c in cohorts})
    classes = sorted({c["asset_class"] for c in cohorts})
    counts = {c: np.zeros((len(regions), len(MODES), MONTHS)) for c in classes}
    for row in _rows("demand.csv"):
        place = regions.index(row["region"]), MODES.index(row["failure_mode"]), int(row["month"])
        counts[row["asset_class"]][place] += int(row["qty"])
    seen = {row["model"]: float(row["failures_0_47"]) for row in truth}
    bases = []
    for name in classes:
        mine = [
            Installed(
                c["model"], regions.index(c["region"]), int(c["install_month"]), int(c["retire_month"]), float(c["qty"])
            )
            for c in cohorts
            if c["asset_class"] == name
        ]
        bases.append(base_of(mine, len(regions), MONTHS))
    return FieldData(
        tuple(bases),
        tuple(counts[c] for c in classes),
        tuple(np.array([seen.get(m, 0.0) for m in b.models]) for b in bases),
        frozenset(row["model"] for row in truth if row["truth_bad_actor"] == "True"),
    )
