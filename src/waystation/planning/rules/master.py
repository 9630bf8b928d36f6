"""The master problem of column generation: mix columns of every part within the limits, then choose whole ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import highspy
import numpy as np
from numpy.typing import NDArray

from waystation.planning.rules.counts import Array

FIRST_NODES, SECOND_NODES = 300, 20
TOLERANCES = (("primal_feasibility_tolerance", 1e-9), ("mip_feasibility_tolerance", 1e-9))
GOOD, ENOUGH = 1e-3, 5e-3  # gaps of whole columns to the mix: where a search ends, and where none is begun
SHORT_COSTS = 1e3  # what a unit of a missed limit costs, in multiples of the dearest plan seen


class _Quiet(highspy.Highs):  # type: ignore[misc]
    """HiGHS that does not greet on the standard output."""

    def enableCallbacks(self) -> None:
        self.setOptionValue("output_flag", False)
        super().enableCallbacks()


class Master:
    """Rows: one limit each (<=), then one for each part (its columns add up to 1). Missing a limit costs dearly."""

    def __init__(self, parts: int, most: Sequence[float]) -> None:
        self._limits, self._parts = len(most), parts
        self.was_stopped = False
        self._most = np.array(most, dtype=float)
        self._costs: list[Array] = []
        self._owner: list[NDArray[np.int64]] = []
        self._rows: list[Array] = []
        self._model: Any = _Quiet()
        for option, value in (("threads", 1), ("random_seed", 0), ("solver", "simplex"), *TOLERANCES):
            self._model.setOptionValue(option, value)
        inf = highspy.kHighsInf
        self._scale = np.maximum(1e-9, np.abs(self._most))
        for limit in self._most / self._scale:
            self._model.addRow(-inf, float(limit), 0, np.array([], dtype=np.int32), np.array([]))
        for _ in range(parts):
            self._model.addRow(1.0, 1.0, 0, np.array([], dtype=np.int32), np.array([]))
        for row in range(self._limits):
            self._model.addCol(0.0, 0.0, inf, 1, np.array([row], dtype=np.int32), np.array([-1.0]))

    def add(self, parts: NDArray[np.int64], costs: Array, rows: Array) -> None:
        """Columns of `parts` with their costs and what they use of each limit, shape (limits, len(parts))."""
        used = rows / self._scale[:, None]
        count, height = len(parts), self._limits + 1
        index = np.empty((count, height), dtype=np.int32)
        index[:, : self._limits] = np.arange(self._limits)
        index[:, self._limits] = self._limits + parts
        value = np.ones((count, height))
        value[:, : self._limits] = used.T
        self._model.addCols(
            count,
            np.asarray(costs, dtype=float),
            np.zeros(count),
            np.full(count, highspy.kHighsInf),
            count * height,
            (np.arange(count) * height).astype(np.int32),
            index.reshape(-1),
            value.reshape(-1),
        )
        self._costs.append(np.asarray(costs, dtype=float))
        self._owner.append(parts)
        self._rows.append(used)

    def solve(self) -> tuple[Array, Array]:
        """Duals of the limits in their own units (zero or more), and what each part's convexity row is worth."""
        dear = SHORT_COSTS * max(1.0, float(np.max(np.concatenate(self._costs), initial=0.0)) * self._parts)
        for row in range(self._limits):
            self._model.changeColCost(row, dear)
        self._model.run()
        duals = np.array(self._model.getSolution().row_dual)
        return np.maximum(0.0, -duals[: self._limits]) / self._scale, duals[self._limits :]

    def value(self) -> float:
        """The objective of the mix."""
        return float(self._model.getInfo().objective_function_value)

    def slack(self) -> float:
        """By how much limits are missed in the mix, as shares of the limits."""
        return float(sum(self._model.getSolution().col_value[: self._limits]))

    def whole(self, may_go_on: Callable[[], bool] = lambda: True) -> NDArray[np.int64] | None:
        """One column for each part (its number in the order added), limits held; None when none was found.

        When it may no longer go on, the search ends with the best that it has, and `was_stopped` is set. First only
        parts that the mix splits are open; then every column that could still pay is, within a node limit.
        """
        owner = np.concatenate(self._owner)
        mixed, worth = self._columns("col_value"), self._columns("col_dual")
        mix = self.value()
        self._begin_choosing(len(owner))
        self._watch(may_go_on)
        split = np.zeros(self._parts, dtype=bool)
        split[owner[(mixed > 1e-7) & (mixed < 1.0 - 1e-7)]] = True
        first = self._choose((mixed > 1e-7) | split[owner], FIRST_NODES)
        if first is None:
            first = self._rounded(owner, mixed)
        room = np.inf if first is None else self._cost(first) - mix
        if first is not None and (self.was_stopped or room <= ENOUGH * abs(mix)):
            return first
        second = self._choose((worth <= 0.5 * room) | (mixed > 1e-7), SECOND_NODES)
        found = [chosen for chosen in (first, second) if chosen is not None]
        return min(found, key=self._cost) if found else None

    def _watch(self, may_go_on: Callable[[], bool]) -> None:
        """Ask between steps of the search whether it may go on."""

        def ask(event: Any) -> None:
            if self.was_stopped or not may_go_on():
                self.was_stopped = True
                event.interrupt()

        self._model.cbMipInterrupt.subscribe(ask)

    def used(self) -> NDArray[np.int64]:
        """The columns in the mix, by their number in the order added."""
        return np.flatnonzero(self._columns("col_value") > 1e-9)

    def forbid_missing(self) -> None:
        """From now on every limit holds in the mix."""
        for row in range(self._limits):
            self._model.changeColBounds(row, 0.0, 0.0)

    def _columns(self, name: str) -> Array:
        return np.array(getattr(self._model.getSolution(), name))[self._limits :]

    def _cost(self, chosen: NDArray[np.int64]) -> float:
        return float(np.concatenate(self._costs)[chosen].sum())

    def _begin_choosing(self, columns: int) -> None:
        self.forbid_missing()
        every = np.arange(self._limits, self._limits + columns, dtype=np.int32)
        kinds = np.full(columns, highspy.HighsVarType.kInteger)
        self._model.changeColsIntegrality(columns, every, kinds)
        self._model.setOptionValue("solver", "choose")
        self._model.setOptionValue("mip_rel_gap", GOOD)

    def _choose(self, open_: NDArray[np.bool_], nodes: int) -> NDArray[np.int64] | None:
        """The best whole columns among those open that `nodes` nodes of branch and bound find."""
        columns = len(open_)
        every = np.arange(self._limits, self._limits + columns, dtype=np.int32)
        self._model.changeColsBounds(columns, every, np.zeros(columns), np.where(open_, 1.0, 0.0))
        self._model.setOptionValue("mip_max_nodes", nodes)
        self._model.run()
        if self._model.getInfo().primal_solution_status != 2:
            return None
        return _largest(np.concatenate(self._owner), self._columns("col_value"), self._parts)

    def _rounded(self, owner: NDArray[np.int64], mixed: Array) -> NDArray[np.int64] | None:
        """The mix rounded to whole columns, those that use least of the tight limits; None when a limit is missed."""
        used = np.concatenate(self._rows, axis=1)
        need = used.sum(axis=0)
        chosen = _largest(owner, np.where(mixed > 1e-9, 1e6 - need, -1e12), self._parts)
        over = used[:, chosen].sum(axis=1) - self._most / self._scale
        return chosen if np.all(over <= 1e-9) else None


def _largest(owner: NDArray[np.int64], values: Array, parts: int) -> NDArray[np.int64]:
    """For each part the number of its column with the largest value; the earlier one of equals."""
    order = np.lexsort((np.arange(len(owner)), -values, owner))
    first = np.searchsorted(owner[order], np.arange(parts))
    return np.asarray(order[first], dtype=np.int64)
