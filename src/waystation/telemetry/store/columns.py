"""One sensor's stored readings as columns: what a month is read, judged and written down from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from waystation.telemetry.store.segments import Stored, quoted, reading

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Columns:
    """Readings by instant (microseconds since 1970). `value` NaN is no measurement; `source` and `machine` point
    into `sources` and `machines`."""

    sensor: str
    observed_us: Ints
    value: Floats
    source: Ints
    machine: Ints
    boot: Ints
    seq: Ints
    received_us: Ints
    sources: tuple[str, ...] = ()
    machines: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.observed_us)

    @property
    def at_s(self) -> Floats:
        """The instants in seconds since 1970, as judging takes them."""
        return np.asarray(self.observed_us / 1e6, dtype=np.float64)

    def take(self, which: Any) -> Columns:
        """The readings that a mask or a list of places chooses."""
        return _made(self.sensor, [column[which] for column in self._columns()], self.sources, self.machines)

    def rows(self) -> list[Stored]:
        """The same readings one by one; what a clock that nobody believes said of them is in the rows of `segments`."""
        lists = (column.tolist() for column in self._columns())
        return [
            Stored(self.sensor, at, None if v != v else v, self.sources[s], self.machines[m], boot, seq, received)
            for at, v, s, m, boot, seq, received in zip(*lists, strict=True)
        ]

    def is_rising(self) -> bool:
        """True when every instant is later than the one before: then the readings are in order and none is twice."""
        return bool(np.all(self.observed_us[1:] > self.observed_us[:-1]))

    def in_order(self) -> Columns:
        """By instant, each (instant, value) once: the earliest received stays."""
        if self.is_rising():
            return self
        missing = np.isnan(self.value)
        number = np.where(missing, 0.0, self.value)
        order = np.lexsort((self.seq, self.received_us, number, missing, self.observed_us))
        first = np.ones(len(order), dtype=bool)
        for column in (self.observed_us, missing, number):
            first[1:] &= column[order][1:] == column[order][:-1]
        first[1:] = ~first[1:]
        return self.take(order[first])

    def _columns(self) -> tuple[Any, ...]:
        return self.observed_us, self.value, self.source, self.machine, self.boot, self.seq, self.received_us


def _made(sensor: str, parts: Sequence[Any], sources: tuple[str, ...], machines: tuple[str, ...]) -> Columns:
    at_us, value, source, machine, boot, seq, received_us = parts
    return Columns(sensor, at_us, value, source, machine, boot, seq, received_us, sources, machines)


def of_rows(sensor: str, rows: Sequence[Stored]) -> Columns:
    """Columns of rows of one sensor, in the order given."""
    sources, machines = dict[str, int](), dict[str, int]()
    source = [sources.setdefault(row.source_class, len(sources)) for row in rows]
    machine = [machines.setdefault(row.machine, len(machines)) for row in rows]
    return Columns(
        sensor,
        np.array([r.observed_us for r in rows], dtype=np.int64),
        np.array([np.nan if r.value is None else r.value for r in rows], dtype=np.float64),
        np.array(source, dtype=np.int64),
        np.array(machine, dtype=np.int64),
        np.array([r.boot for r in rows], dtype=np.int64),
        np.array([r.seq for r in rows], dtype=np.int64),
        np.array([r.received_us for r in rows], dtype=np.int64),
        tuple(sources),
        tuple(machines),
    )


def joined(first: Columns, second: Columns) -> Columns:
    """Both parts of one sensor's readings, the first one's in front."""
    sources = tuple(dict.fromkeys(first.sources + second.sources))
    machines = tuple(dict.fromkeys(first.machines + second.machines))
    parts = [_renamed(part, sources, machines)._columns() for part in (first, second)]
    return _made(first.sensor, [np.concatenate(pair) for pair in zip(*parts, strict=True)], sources, machines)


def _renamed(part: Columns, sources: tuple[str, ...], machines: tuple[str, ...]) -> Columns:
    of_source = np.array([sources.index(name) for name in part.sources], dtype=np.int64)
    of_machine = np.array([machines.index(name) for name in part.machines], dtype=np.int64)
    return Columns(
        part.sensor,
        part.observed_us,
        part.value,
        of_source[part.source] if len(part) else part.source,
        of_machine[part.machine] if len(part) else part.machine,
        part.boot,
        part.seq,
        part.received_us,
        sources,
        machines,
    )


def read(paths: Sequence[Path], sensors: Sequence[str], from_us: int, to_us: int) -> dict[str, Columns]:
    """What segments hold of those sensors with from <= instant < to, each in order; one without any is left out."""
    if not paths or not sensors:
        return {}
    table = f"read_parquet([{', '.join(quoted(path) for path in paths)}])"
    inside = "sensor IN (SELECT unnest($sensors)) AND observed_us >= $from_us AND observed_us < $to_us"
    words: dict[str, Any] = {"sensors": list(sensors), "from_us": from_us, "to_us": to_us}
    with reading(paths) as connection:
        pairs = connection.execute(
            f"SELECT DISTINCT source_class, machine FROM {table} WHERE {inside}", words
        ).fetchall()
        sources, machines = (tuple(sorted({pair[i] for pair in pairs})) for i in (0, 1))
        query = (
            "SELECT list_position($sensors, sensor) - 1 AS sensor, observed_us, "
            "coalesce(value, 'nan'::DOUBLE) AS value, boot, seq, received_us, "
            "list_position($sources, source_class) - 1 AS source, list_position($machines, machine) - 1 AS machine "
            f"FROM {table} WHERE {inside}"
        )
        words |= {"sources": list(sources), "machines": list(machines)}
        held = connection.execute(query, words).fetchnumpy() if pairs else {}
    return _by_sensor(held, sensors, sources, machines)


def _by_sensor(
    held: dict[str, Any], sensors: Sequence[str], sources: tuple[str, ...], machines: tuple[str, ...]
) -> dict[str, Columns]:
    found = {}
    for number, code in enumerate(sensors):
        own = np.flatnonzero(np.asarray(held["sensor"]) == number) if held else ()
        if len(own):
            whole = [np.asarray(held[name])[own] for name in ("observed_us", "value", "source", "machine")]
            whole += [np.asarray(held[name])[own] for name in ("boot", "seq", "received_us")]
            whole = [column if column.dtype == np.float64 else column.astype(np.int64) for column in whole]
            found[code] = _made(code, whole, sources, machines).in_order()
    return found
