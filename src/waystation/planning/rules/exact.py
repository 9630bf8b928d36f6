"""The exact law over many parts at once: the certificate of a plan whose demand is Poisson.

Transit is fixed, supply of the root ample, replenishment one for one, service first come, first served; then a
parent's backorders split binomially (Graves, Management Science 31 (1985)). Laws are cut where their tail is below
1e-12 of a chance.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from waystation.planning.rules.counts import Array, binomials, count_laws
from waystation.planning.rules.fleet import Fleet, Seen, Whole

MOST_CELLS = 4_000_000


def exact(given: Fleet, parts: Whole, stock: Whole) -> Seen:
    """What stocks (len(parts), N) do under Poisson demand."""
    found = np.zeros((4, *stock.shape))
    for rows, width in _groups(given, parts):
        found[:, rows] = _one_group(given, parts[rows], stock[rows], width)
    return Seen(*found)


def _groups(given: Fleet, parts: Whole) -> Iterator[tuple[Whole, int]]:
    """Rows of parts of like size, and the width of their laws."""
    mean, variance = (moment[parts].max(axis=1) for moment in given.worst)
    need = np.ceil(mean + 9.0 * np.sqrt(variance) + 14.0).astype(np.int64)
    order = np.argsort(need, kind="stable")
    begin = 0
    while begin < len(order):
        end = begin + 1
        while end < len(order) and (end + 1 - begin) * int(need[order[end]]) ** 2 <= MOST_CELLS:
            end += 1
        yield order[begin:end], int(need[order[end - 1]])
        begin = end


def _one_group(given: Fleet, parts: Whole, stock: Whole, width: int) -> Array:
    """(4, len(parts), N): backorders, share met at once, mean and variance of units outstanding."""
    ebo, fill, mean, variance = np.zeros((4, *stock.shape))
    laws: dict[int, Array] = {}
    k = np.arange(width)
    for node, parent in enumerate(given.parent):
        law = count_laws(given.pipeline[parts, node], given.pipeline[parts, node], width)
        if parent >= 0:
            waiting = _waiting(laws[parent], stock[:, parent])
            split = np.einsum("bn,bnk->bk", waiting, binomials(width, given.share[parts, node]))
            law = _sum(law, split)
        if given.below[node]:
            laws[node] = law
        held = stock[:, node][:, None]
        mean[:, node] = law @ k
        variance[:, node] = law @ (k * k) - mean[:, node] ** 2
        ebo[:, node] = (np.maximum(k - held, 0) * law).sum(axis=1)
        fill[:, node] = np.where(k < held, law, 0.0).sum(axis=1) if given.holds[node] else fill[:, parent]
    return np.stack((ebo, np.minimum(fill, 1.0), mean, variance))


def _waiting(law: Array, stock: Whole) -> Array:
    """The law of (N - stock)+ for a stock of its own in each row."""
    size, width = law.shape
    place = np.minimum(stock[:, None] + np.arange(width), width)
    padded = np.concatenate((law, np.zeros((size, 1))), axis=1)
    found = np.take_along_axis(padded, place, axis=1)
    found[:, 0] = np.where(np.arange(width) <= stock[:, None], law, 0.0).sum(axis=1)
    return np.asarray(found)


def _sum(one: Array, other: Array) -> Array:
    """The law of the sum of two independent counts, row by row, cut at the width."""
    found = np.zeros_like(one)
    width = one.shape[1]
    for n in range(width):
        found[:, n:] += one[:, n : n + 1] * other[:, : width - n]
    return found
