"""Recording: numbers for readings, what is left out as the spool fills, and a signed gap for whatever is not kept."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from waystation.edge import heads
from waystation.edge.judge import Judge
from waystation.edge.keys import Keys
from waystation.edge.ports import Sample
from waystation.edge.spool import Lost, Spool, Started
from waystation.edge.thin import WINDOW_US, Row

PRESSED, THINNING, OUTSIDE_ONLY, STOPPED = 0.5, 0.8, 0.9, 0.97
TRY_AGAIN_US = 10 * 1_000_000
OFFLINE_SEAL_US = 300 * 1_000_000
TIDY_US = 10 * 1_000_000


class Recorder:
    """Gives numbers and keeps readings. It never raises for what a disk does: `trouble` says it.

    `boot` is 0 until the disk took the count of this boot. What is read before that gets its numbers all the same, and
    they are the first gap of the boot.
    """

    def __init__(self, spool: Spool, keys: Keys, judge: Judge) -> None:
        self._spool, self._keys, self._judge = spool, keys, judge
        self.boot, self.seq = 0, 0
        self._lost: Lost | None = None
        self._unwritten: Sequence[Row] = ()  # numbered in the step that failed last, and not known to be written
        self._notes: list[dict[str, Any]] = []
        self._runs = "{}"
        self._broken_us: int | None = None
        self._tidied_us = 0
        self.share = 0.0
        self.trouble = self._set_aside = ""

    def begin(self, now_us: int) -> Started | None:
        """Count this boot; None while the disk refuses, which is tried again every ten seconds."""
        if self._broken_us is not None and now_us - self._broken_us < TRY_AGAIN_US:
            return None
        try:
            started = self._spool.start(now_us)
        except (sqlite3.Error, OSError) as error:
            self.trouble, self._broken_us = str(error)[:120], now_us
            self._spool.drop_ballast()
            return None
        if started.set_aside:
            self._set_aside = f"The spool was damaged. It is {started.set_aside} now; what it held was not sent."
        self.boot, self.trouble = started.boot, self._set_aside
        self._runs = json.dumps(started.runs, sort_keys=True)
        return started

    @property
    def level(self) -> str:
        """`recording`, `thinning`, `outside_only` (in-range readings are left out) or `stopped`."""
        if self._broken_us is not None or self.share >= STOPPED:
            return "stopped"
        return "outside_only" if self.share >= OUTSIDE_ONLY else "thinning" if self.share >= THINNING else "recording"

    def say(self, note: dict[str, Any]) -> None:
        """Something to be told with the next batch. While nothing can be written the newest thousand wait."""
        self._notes = [*self._notes, heads.told(note)][-1000:]

    def step(self, samples: Sequence[Sample], now_us: int, runs: str, *, is_reachable: bool) -> None:
        """Record what was read, seal what is due, release what may go."""
        numbered = [self._row(sample) for sample in samples]
        if self._broken_us is not None and not self._mend(now_us):
            self._lose(numbered, "disk_failed", now_us)
            return
        self._unwritten = numbered
        try:
            self._tidy(now_us)
            if self.level != "recording":
                self._seal(now_us, is_reachable)
            self._record(numbered, now_us, runs)
            if self.level == "recording":
                self._seal(now_us, is_reachable)
        except (sqlite3.Error, OSError) as error:
            self._break(error, now_us)

    def _record(self, numbered: Sequence[Row], now_us: int, runs: str) -> None:
        kept = [row for row in numbered if self._is_kept(row)]
        dropped = [row for row in numbered if not self._is_kept(row)]
        if kept or self._notes or runs != self._runs:
            self._spool.record(self.boot, kept, self._notes, runs)
            self._notes, self._runs, self._unwritten = [], runs, dropped
        if dropped:
            self._lose(dropped, "spool_full", now_us)
            assert self._lost is not None
            self._spool.lose(self.boot, self._lost)
        elif numbered and self.level in ("recording", "thinning"):
            self._lost = None
        self._unwritten = []

    def _row(self, sample: Sample) -> Row:
        self.seq += 1
        stays = sample.value is None or abs(sample.value) >= heads.TOO_LARGE or self._judge.is_out(sample)
        return Row(self.seq, sample.sensor, sample.observed_us, sample.value, stays)

    def _is_kept(self, row: Row) -> bool:
        if self.level == "outside_only":
            return row.stays or not self._judge.is_watched(row.sensor)
        return self.level != "stopped"

    def _lose(self, rows: Sequence[Row], cause: str, now_us: int) -> None:
        """Add numbers to the gap that goes on; another cause begins another gap."""
        if not rows:
            return
        lost, held = Lost(rows[0].seq, rows[-1].seq, len(rows), cause, rows[0].at_us, now_us), self._lost
        if held is not None and held.cause == cause:
            begin = held if held.first < lost.first else lost
            last, count = max(held.last, lost.last), held.count + lost.count
            lost = replace(begin, last=last, count=count, until_us=now_us)
        self._lost = lost

    def _break(self, error: Exception, now_us: int) -> None:
        """Nothing can be written. What was to be and is not there is lost; the ballast makes room for the gap."""
        self.trouble, self._broken_us = str(error)[:120], now_us
        self._spool.drop_ballast()
        self._mend(now_us + TRY_AGAIN_US, only_gap=True)

    def _mend(self, now_us: int, *, only_gap: bool = False) -> bool:
        """Every ten seconds: open again and write down what was lost. True when recording goes on."""
        assert self._broken_us is not None
        if not self.boot or now_us - self._broken_us < TRY_AGAIN_US:
            return False
        self._broken_us = now_us if not only_gap else self._broken_us
        try:
            self._spool.open()
            self._settle(now_us)
            if self._lost is not None:
                self._spool.lose(self.boot, self._lost)
        except (sqlite3.Error, OSError) as error:
            self.trouble = str(error)[:120]
            return False
        if only_gap:
            return False
        self._broken_us, self._lost, self.trouble = None, None, self._set_aside
        self._spool.keep_ballast()
        return True

    def _settle(self, now_us: int) -> None:
        """A commit that failed may have reached the disk all the same: of its readings what is there is not lost.

        Asked of that step's readings alone, and once: nothing is taken off what the gap counts already.
        """
        if self._unwritten:
            there = self._spool.stored(self.boot, self._unwritten[0].seq, self._unwritten[-1].seq)
            self._lose([row for row in self._unwritten if row.seq not in there], "disk_failed", now_us)
        self._unwritten = ()

    def _tidy(self, now_us: int) -> None:
        if now_us - self._tidied_us >= TIDY_US:
            self._tidied_us = now_us
            self._spool.tidy(is_pressed=self.share >= PRESSED)
            self.share = self._spool.used_bytes() / self._spool.bound_bytes

    def _seal(self, now_us: int, is_reachable: bool) -> None:
        oldest_us = self._spool.oldest_raw_us()
        if self.level == "recording":
            is_due = is_reachable or oldest_us is None or now_us - oldest_us >= OFFLINE_SEAL_US
        else:
            is_due = oldest_us is None or oldest_us // WINDOW_US < now_us // WINDOW_US
        if is_due:
            self.seal(now_us)

    def seal(self, now_us: int) -> None:
        """Sign what is recorded, whatever its age."""
        open_gap = -1 if self._lost is None else self._lost.first
        thin = self.level != "recording"
        while self._spool.seal(now_us, self._keys.public, self._keys.sign, is_thinning=thin, open_gap=open_gap):
            pass
