"""How good the demand laws are: 1,759 real series of car parts, a synthetic fleet, planted bad actors.

Scored as `planning/rules/demand/accuracy.py` says. The sets are read from the shared data beside the repository. Peers
in the same run: the naive law, and where statsforecast is installed its intermittent demand methods for the point
forecast; where it is not, that is said.
"""

from __future__ import annotations

import importlib.util
import warnings

import numpy as np

from benchmarks.harness import Report, seconds
from tests.rooms.planning.field_data import FieldData, carparts, field_data
from waystation.planning.rules.demand import accuracy, field
from waystation.planning.rules.demand.history import FIELD, SERIES, Memory, Rates, ahead, quantiles, rates

ORIGINS = (36, 39, 42, 45, 48)
FLEET_ORIGINS = (48, 51, 54, 57)
TRAIN, TEST = 39, 12
PEERS = ("IMAPA", "ADIDA", "CrostonClassic", "CrostonSBA", "TSB")


def main() -> None:
    """Score, compare and judge."""
    report = Report("planning_forecast", "no database")
    series = carparts()
    _law(report, series)
    _point(report, series)
    _peers(report, series)
    data = field_data()
    _fleet(report, data)
    _suspects(report, data)
    report.keep()


def _law(report: Report, series: np.ndarray) -> None:
    losses: dict[str, list[float]] = {"own": [], "without_group": [], "naive": []}
    stock: list[float] = []
    came_to, filled = 0.0, 0.0
    for origin in ORIGINS:
        seen, came = series[:, :origin], series[:, origin : origin + 3].sum(axis=1)
        told = quantiles(ahead(rates(seen), 3.0), accuracy.SHARES)
        alone = quantiles(ahead(rates(seen, memory=Memory(strength=1e-6)), 3.0), accuracy.SHARES)
        for name, one in (("own", told), ("without_group", alone), ("naive", accuracy.naive_quantiles(seen, 3))):
            losses[name].append(accuracy.scaled_pinball(one, came, seen))
        units = told[:, accuracy.SHARES.index(0.95)]
        stock.append(float(units.mean()))
        came_to, filled = came_to + float(came.sum()), filled + float(np.minimum(units, came).sum())
    for name, found in losses.items():
        report.add(f"carparts_scaled_pinball_{name}", float(np.mean(found)))
    report.add("carparts_units_at_95_percent", float(np.mean(stock)))
    report.add("carparts_fill_at_95_percent", filled / came_to)
    report.judge("carparts: mean scaled pinball <= 0.316", float(np.mean(losses["own"])) <= 0.316)


def _point(report: Report, series: np.ndarray) -> None:
    found: list[Rates] = []
    report.add("carparts_rates_s", seconds(lambda: found.append(rates(series[:, :TRAIN]))))
    error, bias = _scored(ahead(found[0], 1.0).mean, series)
    report.add("carparts_rmsse", error)
    report.add("carparts_bias_units_a_month", bias)
    report.add("carparts_drift", found[0].drift)
    report.judge("carparts: RMSSE <= 0.714", error <= 0.714)
    report.judge("carparts: |bias| <= 0.05 units a month", abs(bias) <= 0.05)
    flat = rates(series[:, :TRAIN], memory=Memory(SERIES.discount, SERIES.strength, drift_months=0))
    error, bias = _scored(ahead(flat, 1.0).mean, series)
    report.add("carparts_rmsse_without_drift", error)
    report.add("carparts_bias_without_drift", bias)
    report.add("carparts_rmsse_last_year_mean", _scored(series[:, TRAIN - TEST : TRAIN].mean(axis=1), series)[0])


def _scored(mean: np.ndarray, series: np.ndarray) -> tuple[float, float]:
    told = np.repeat(mean[:, None], TEST, axis=1)
    return accuracy.rmsse(told, series[:, TRAIN : TRAIN + TEST], series[:, :TRAIN])


def _peers(report: Report, series: np.ndarray) -> None:
    if importlib.util.find_spec("statsforecast") is None:
        print("planning_forecast: peer statsforecast is not installed here; its figures are not measured in this run")
        return
    from statsforecast import models  # type: ignore[import-not-found]

    warnings.simplefilter("ignore")
    for name in PEERS:
        method = getattr(models, name)
        made = method(alpha_d=0.1, alpha_p=0.1) if name == "TSB" else method()
        means: list[float] = []
        took = seconds(lambda m=made, k=means: k.extend(_one(m, row) for row in series[:, :TRAIN]))  # type: ignore[misc]
        error, bias = _scored(np.array(means), series)
        report.add(f"peer_{name}_rmsse", error)
        report.add(f"peer_{name}_bias", bias)
        report.add(f"peer_{name}_s", took)


def _one(method: object, row: np.ndarray) -> float:
    return float(method.forecast(row.astype(np.float32), h=1)["mean"][0])  # type: ignore[attr-defined]


def _fleet(report: Report, data: FieldData) -> None:
    losses: dict[str, list[float]] = {"own": [], "base_only": [], "history_only": []}
    for origin in FLEET_ORIGINS:
        for base, counts, by_model in zip(data.bases, data.counts, data.by_model, strict=True):
            prior = np.maximum(field.mean(base, field.fit(base, counts[:, :, :origin], by_model)), 1e-9)
            seen = counts[:, :, :origin].reshape(-1, origin)
            reach = prior[:, :, origin : origin + 3].sum(axis=2).reshape(-1)
            came = counts[:, :, origin : origin + 3].sum(axis=2).reshape(-1)
            known = rates(seen, prior[:, :, :origin].reshape(-1, origin), FIELD)
            fixed = Rates(np.ones_like(reach), np.full_like(reach, 1e9), known.dispersion, 1.0, 1.0)
            laws = {
                "own": ahead(known, reach),
                "base_only": ahead(fixed, reach),
                "history_only": ahead(rates(seen), 3.0),
            }
            for name, law in laws.items():
                losses[name].append(accuracy.pinball(quantiles(law, accuracy.SHARES), came).mean())
    for name, found in losses.items():
        report.add(f"fleet_pinball_{name}", float(np.mean(found)))
    report.judge("fleet: mean pinball <= 0.19", float(np.mean(losses["own"])) <= 0.19)


def _suspects(report: Report, data: FieldData) -> None:
    for months in (48, 60):
        told = [
            one
            for base, counts, by_model in zip(data.bases, data.counts, data.by_model, strict=True)
            for one in field.suspects(base, field.fit(base, counts[:, :, :months], by_model))
        ]
        flagged = {one.model for one in told if one.flagged}
        right, name = flagged & data.bad, f"bad_actors_{months}_months"
        precision, recall = len(right) / max(1, len(flagged)), len(right) / len(data.bad)
        report.add(f"{name}_precision", precision)
        report.add(f"{name}_recall", recall)
    report.judge("bad actors, 60 months: precision >= 0.85", precision >= 0.85)
    report.judge("bad actors, 60 months: recall >= 0.9", recall >= 0.9)


if __name__ == "__main__":
    main()
