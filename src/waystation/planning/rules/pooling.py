"""Hubs that share stock: laterals and the emergency channel as a Markov chain over all states.

State: units out at each hub, 0 to its stock. A demand tries the hubs in its order of preference and goes to the
emergency channel when all are empty; the unit's replacement returns, after an exponential time, to the hub that
issued it. Sources: Kukreja, Schmidt and Miller, Management Science 47 (2001); Kranenburg and van Houtum, EJOR 199
(2009).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np

from waystation.kernel.refusals import BadInput
from waystation.planning.rules.checks import above_zero, at_least_zero, small_enough

MOST_DENSE = 2_500


@dataclass(frozen=True, slots=True)
class HubShares:
    """How a hub's demand is met; the three add up to 1."""

    local: float
    lateral: float
    emergency: float


@dataclass(frozen=True, slots=True)
class Pool:
    """Shares by hub, and the emergency share of all demand."""

    hubs: tuple[HubShares, ...]
    emergency: float


def pooled(
    demand: Sequence[float], replenishment_rate: float, stock: Sequence[int], preference: Sequence[Sequence[int]]
) -> Pool:
    """The exact shares of hubs that share stock. Rates per unit of time; `preference[i]`: hub numbers in order."""
    _check(demand, stock, preference)
    above_zero("replenishment_rate", replenishment_rate)
    states = list(product(*(range(s + 1) for s in stock)))
    small_enough("the pool", len(states) * 4_000 / MOST_DENSE)
    odds = _stationary(states, demand, replenishment_rate, stock, preference)
    met = np.zeros((len(stock), 3))
    for state, share in zip(states, odds, strict=True):
        for hub, order in enumerate(preference):
            source = _source(state, stock, order)
            met[hub, 2 if source is None else int(source != hub)] += share
    total = above_zero("demand of all hubs", sum(demand))
    emergency = float(np.dot(met[:, 2], demand)) / total
    return Pool(tuple(HubShares(*(float(v) for v in row)) for row in met), emergency)


def _stationary(
    states: list[tuple[int, ...]],
    demand: Sequence[float],
    replenishment_rate: float,
    stock: Sequence[int],
    preference: Sequence[Sequence[int]],
) -> list[float]:
    places = {state: n for n, state in enumerate(states)}
    flow = np.zeros((len(states), len(states)))
    for state, here in places.items():
        for rate, order in zip(demand, preference, strict=True):
            source = _source(state, stock, order)
            if source is not None:
                flow[here, places[_moved(state, source, 1)]] += rate
        for hub, out in enumerate(state):
            if out:
                flow[here, places[_moved(state, hub, -1)]] += out * replenishment_rate
    balance = flow.T - np.diag(flow.sum(axis=1))
    balance[-1] = 1.0
    right = np.zeros(len(states))
    right[-1] = 1.0
    return [max(0.0, float(v)) for v in np.linalg.solve(balance, right)]


def _source(state: tuple[int, ...], stock: Sequence[int], order: Sequence[int]) -> int | None:
    return next((hub for hub in order if state[hub] < stock[hub]), None)


def _moved(state: tuple[int, ...], hub: int, by: int) -> tuple[int, ...]:
    return (*state[:hub], state[hub] + by, *state[hub + 1 :])


def _check(demand: Sequence[float], stock: Sequence[int], preference: Sequence[Sequence[int]]) -> None:
    if not len(demand) == len(stock) == len(preference) > 0:
        raise BadInput(
            "planning.hubs",
            f"{len(demand)} demands, {len(stock)} stocks and {len(preference)} orders of preference.",
            "Give one of each for every hub.",
            field="preference",
        )
    for rate, held, order in zip(demand, stock, preference, strict=True):
        at_least_zero("demand", rate)
        if held < 0 or any(not 0 <= hub < len(stock) for hub in order) or len(set(order)) != len(order):
            raise BadInput(
                "planning.preference",
                f"A stock of {held} or an order of preference {list(order)} is none.",
                "Give whole stocks of zero or more, and hub numbers from 0, each once.",
                field="preference",
                value=str(list(order)),
            )
    small_enough("the pool", math.prod(s + 1 for s in stock))
