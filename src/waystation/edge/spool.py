"""The spool: what was read and is not known to be durable at the centre. SQLite, `synchronous=FULL`, bounded.

A reading gets its number when it is recorded. Sealing turns numbered rows into a signed batch whose bytes never change
again; the centre's answer releases it. Heads (digests, signatures, numbers) outlive their payloads.
"""

from __future__ import annotations

import json
import os
import sqlite3
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from waystation.edge import heads
from waystation.edge.thin import Row, thin
from waystation.edge.whole import sync_folder, write_whole
from waystation.telemetry.rules.agents import MOST_NOTES

MOST_IN_BATCH = 20_000
HEADS_KEPT, HEAD_BYTES, HEADS_SHARE = 100_000, 400, 8  # at most so many, and at most an eighth of the bound
BALLAST_BYTES = 1024 * 1024
DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
SCHEMA = """
CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS raw (
  boot INTEGER, seq INTEGER, sensor TEXT, at_us INTEGER, value REAL, stays INTEGER, PRIMARY KEY (boot, seq)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS note (id INTEGER PRIMARY KEY, said TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS gap (
  boot INTEGER, first INTEGER, last INTEGER, count INTEGER, cause TEXT, from_us INTEGER, until_us INTEGER,
  PRIMARY KEY (boot, first)
);
CREATE TABLE IF NOT EXISTS batch (
  n INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT, boot INTEGER, first INTEGER, last INTEGER, sealed_us INTEGER,
  previous TEXT, digest TEXT, signature BLOB, key TEXT, acked_us INTEGER, retry_us INTEGER, refused TEXT
);
CREATE TABLE IF NOT EXISTS payload (n INTEGER PRIMARY KEY, body BLOB NOT NULL);
CREATE INDEX IF NOT EXISTS batch_waiting ON batch (kind, n) WHERE acked_us IS NULL;
"""
Connect = Callable[[Path], sqlite3.Connection]
Sign = Callable[[bytes], bytes]


@dataclass(frozen=True, slots=True)
class Batch:
    """A sealed batch: its place in the spool, what class of traffic it is, its exact bytes and their signature."""

    n: int
    kind: str
    sealed_us: int
    digest: str
    signature: bytes
    key: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Lost:
    """Numbers that were given and not recorded, and why. `count` of those from `first` to `last` are missing."""

    first: int
    last: int
    count: int
    cause: str
    from_us: int
    until_us: int


@dataclass(frozen=True, slots=True)
class Started:
    """A start of the agent: its boot number, where the record stood before it, and which excursions were open.

    `set_aside` names the file that a damaged spool has become.
    """

    boot: int
    last_boot: int
    last_seq: int
    last_us: int
    ended: str
    runs: Mapping[str, Any]
    set_aside: str = ""


def connect(path: Path) -> sqlite3.Connection:
    """A connection whose commits are on the disk when they return."""
    held = sqlite3.connect(path, isolation_level=None)
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "wal_autocheckpoint=256", "auto_vacuum=NONE"):
        held.execute(f"PRAGMA {pragma}")
    return held


class Spool:
    """One file. A method that writes is one transaction, durable when it returns; sqlite3.Error means not written.

    Nothing is opened before `start`, and until then everything is refused.
    """

    def __init__(self, folder: Path, *, bound_bytes: int, open_with: Connect = connect) -> None:
        self.path, self._ballast, self._boots = folder / "spool.sqlite3", folder / "ballast", folder / "boot"
        self.bound_bytes, self._open_with = bound_bytes, open_with
        self._heads_kept = min(HEADS_KEPT, bound_bytes // HEADS_SHARE // HEAD_BYTES)
        self._db = sqlite3.connect(":memory:")
        self.close()

    def open(self) -> None:
        """Open the file anew, or make it; after a failed write only a new connection is trusted to read the disk."""
        self.close()
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._db = self._open_with(self.path)
        self._db.executescript(SCHEMA)

    def close(self) -> None:
        """Let go of the file."""
        self._db.close()

    def keep_ballast(self) -> None:
        """A megabyte that is given up when the disk is full, so that the gap can still be written. May fail quietly."""
        try:
            if not self._ballast.exists() or self._ballast.stat().st_size < BALLAST_BYTES:
                self._ballast.write_bytes(b"\0" * BALLAST_BYTES)
        except OSError:
            self.drop_ballast()

    def drop_ballast(self) -> None:
        """Give the megabyte back to the disk, if the disk will have it."""
        with suppress(OSError):
            self._ballast.unlink(missing_ok=True)

    def start(self, now_us: int) -> Started:
        """Open the file and count this boot, durably, before any record of it can exist. May raise OSError too.

        A file that can be read no more is set aside, never deleted, and a new one goes on from the count beside it.
        """
        try:
            self.open()
            started = self._count_boot()
        except sqlite3.DatabaseError as error:
            if getattr(error, "sqlite_errorcode", 0) not in DAMAGED:
                raise
            if not self.counted():
                raise sqlite3.DatabaseError(f"{self.path.name} is damaged, and no count of boots is there") from error
            name = self._set_aside(now_us)
            self.open()
            started = replace(self._count_boot(), ended="spool_damaged", set_aside=name)
        self.keep_ballast()
        return started

    def counted(self) -> int:
        """The newest boot by the count beside the spool; 0 when there is none, or none that can be read."""
        try:
            return int(self._boots.read_text())
        except (OSError, ValueError):
            return 0

    def _count_boot(self) -> Started:
        """The count beside the spool is written first, so that no boot of a later spool has a number of this one's."""
        with self._transaction():
            held, beside = self._meta("boot", ""), self.counted()
            if not held and not beside and self._boots.exists():
                raise OSError(f"{self._boots} cannot be read")
            boot = int(held or beside) + 1
            ended = self._meta("ended", "") or (
                "crash_or_power_loss" if held else "spool_missing" if beside else "first_start"
            )
            newest, runs = self._newest(), json.loads(self._meta("runs", "{}"))
            write_whole(self._boots, str(boot).encode())
            self._set_meta("boot", str(boot))
            self._set_meta("ended", "")
        return Started(boot, *newest, ended, runs)

    def _set_aside(self, now_us: int) -> str:
        """The name under which the damaged file stays; its log goes first, so that no new spool ever meets it."""
        self.close()
        name = f"spool.damaged-{now_us}.sqlite3"
        for tail in ("-wal", "-shm", ""):
            with suppress(FileNotFoundError):
                os.replace(f"{self.path}{tail}", self.path.parent / f"{name}{tail}")
        sync_folder(self.path.parent)
        return name

    def ended(self, cause: str) -> None:
        """This boot ends in order, for that cause."""
        with self._transaction():
            self._set_meta("ended", cause)

    def _newest(self) -> tuple[int, int, int]:
        raw = self._db.execute("SELECT boot, seq, at_us FROM raw ORDER BY boot DESC, seq DESC LIMIT 1").fetchone()
        sealed = "SELECT boot, last, sealed_us FROM batch WHERE last IS NOT NULL ORDER BY n DESC LIMIT 1"
        found = [row for row in (raw, self._db.execute(sealed).fetchone()) if row]
        newest = max(found, default=(0, 0, 0))
        latest = self._db.execute("SELECT max(sealed_us) FROM batch").fetchone()[0] or 0
        return newest[0], newest[1], max(newest[2], latest)

    def record(self, boot: int, rows: Sequence[Row], notes: Iterable[dict[str, Any]], runs: str | None = None) -> None:
        """Readings with their numbers, what is to be said with them, and the open excursions if they changed."""
        with self._transaction():
            self._db.executemany(
                "INSERT INTO raw VALUES (?, ?, ?, ?, ?, ?)",
                [(boot, r.seq, r.sensor, r.at_us, r.value, r.stays) for r in rows],
            )
            self._db.executemany("INSERT INTO note (said) VALUES (?)", [(json.dumps(note),) for note in notes])
            if runs is not None:
                self._set_meta("runs", runs)

    def lose(self, boot: int, lost: Lost) -> None:
        """Numbers that are not recorded; the row of a gap that goes on is written over, so that it never grows."""
        with self._transaction():
            self._db.execute(
                "INSERT OR REPLACE INTO gap VALUES (?, ?, ?, ?, ?, ?, ?)",
                (boot, lost.first, lost.last, lost.count, lost.cause, lost.from_us, lost.until_us),
            )

    def stored(self, boot: int, first: int, last: int) -> set[int]:
        """Which unsealed readings there are from this number to that."""
        rows = self._db.execute("SELECT seq FROM raw WHERE boot = ? AND seq BETWEEN ? AND ?", (boot, first, last))
        return {int(seq) for (seq,) in rows}

    def seal(self, now_us: int, key: str, sign: Sign, *, is_thinning: bool = False, open_gap: int = -1) -> bool:
        """Make a batch of the oldest boot's rows, notes and finished gaps; False when there is nothing to seal."""
        with self._transaction():
            oldest = self._db.execute("SELECT min(boot) FROM raw").fetchone()[0]
            boot = oldest if oldest is not None else int(self._meta("boot", "0"))
            rows = self._rows(boot)
            notes = self._db.execute("SELECT id, said FROM note ORDER BY id LIMIT 500").fetchall()
            gaps = self._gaps(open_gap)
            if not rows and not notes and not gaps:
                return False
            kept, windows = thin(rows, MOST_NOTES - len(notes)) if is_thinning else (rows, [])
            said = [json.loads(text) for _, text in notes] + [heads.thinned_note(w) for w in windows]
            span = [rows[0].seq, rows[-1].seq] if rows else []
            previous = self._meta("digest", "")
            readings = [heads.reading(row) for row in kept]
            body = heads.body_of(boot, previous, readings, span=span, gaps=gaps, notes=said)
            self._insert("data", boot, span, now_us, previous, body, key, sign)
            if kept:
                self._set_meta("digest", heads.digest_of(body))
            if rows:
                self._db.execute("DELETE FROM raw WHERE boot = ? AND seq <= ?", (boot, rows[-1].seq))
            self._db.executemany("DELETE FROM note WHERE id = ?", [(number,) for number, _ in notes])
            self._db.executemany(
                "DELETE FROM gap WHERE boot = ? AND first = ?", [(g["boot"], g["first"]) for g in gaps]
            )
        return True

    def seal_beside(self, kind: str, boot: int, now_us: int, key: str, sign: Sign, **members: Any) -> None:
        """A batch beside the chain: an alarm, a heartbeat, an inventory; its readings have no numbers."""
        readings = members.pop("readings", [])
        with self._transaction():
            previous = self._meta("digest", "")
            body = heads.body_of(boot, previous, readings, **members)
            self._insert(kind, boot, [], now_us, previous, body, key, sign)

    def next_of(self, kinds: Sequence[str], now_us: int, *, newest: bool = False, since_us: int = 0) -> Batch | None:
        """The oldest (or newest) batch of these kinds that waits and was sealed at `since_us` or later."""
        marks = ", ".join("?" * len(kinds))
        row = self._db.execute(
            f"SELECT n, kind, sealed_us, digest, signature, key, body FROM batch JOIN payload USING (n)"
            f" WHERE acked_us IS NULL"
            f" AND kind IN ({marks}) AND sealed_us >= ? AND (retry_us IS NULL OR retry_us <= ?)"
            f" ORDER BY n {'DESC' if newest else 'ASC'} LIMIT 1",
            (*kinds, since_us, now_us),
        ).fetchone()
        if row is None:
            return None
        n, kind, sealed_us, digest, signature, key, packed = row
        return Batch(n, kind, sealed_us, digest, signature, key, zlib.decompress(packed))

    def signed_again(self, n: int, signature: bytes, key: str) -> None:
        """The same bytes under another key."""
        with self._transaction():
            self._db.execute("UPDATE batch SET signature = ?, key = ? WHERE n = ?", (signature, key, n))

    def acked(self, n: int, now_us: int, spent: tuple[str, str] | None = None) -> None:
        """The centre has it; `spent` keeps an uplink's account in the same transaction."""
        with self._transaction():
            self._db.execute("UPDATE batch SET acked_us = ?, refused = NULL WHERE n = ?", (now_us, n))
            if spent is not None:
                self._set_meta(*spent)

    def refused(self, n: int, why: str, retry_us: int) -> None:
        """The centre read it and will not have it: it stays, is named, and is tried again at `retry_us`."""
        with self._transaction():
            self._db.execute("UPDATE batch SET refused = ?, retry_us = ? WHERE n = ?", (why[:200], retry_us, n))

    def tidy(self, *, is_pressed: bool) -> None:
        """Under pressure payloads that the centre has are released; heads beyond a number too, oldest first."""
        with self._transaction():
            if is_pressed:
                self._db.execute(
                    "DELETE FROM payload WHERE n IN (SELECT n FROM payload JOIN batch USING (n)"
                    " WHERE acked_us IS NOT NULL ORDER BY n LIMIT 500)"
                )
            newest = self._db.execute("SELECT max(n) FROM batch").fetchone()[0] or 0
            old = "SELECT n FROM batch WHERE acked_us IS NOT NULL AND n <= ? ORDER BY n LIMIT 500"
            for table in ("payload", "batch"):
                self._db.execute(f"DELETE FROM {table} WHERE n IN ({old})", (newest - self._heads_kept,))

    def used_bytes(self) -> int:
        """Bytes of the file that hold something."""
        pages, free, size = (
            self._db.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "freelist_count", "page_size")
        )
        return int((pages - free) * size)

    def waiting(self) -> dict[str, int]:
        """How many batches of each kind the centre has not acknowledged."""
        rows = self._db.execute("SELECT kind, count(*) FROM batch WHERE acked_us IS NULL GROUP BY kind")
        return {kind: int(count) for kind, count in rows}

    def refusals(self) -> list[str]:
        """What the centre said of batches that it will not have."""
        rows = self._db.execute("SELECT refused FROM batch WHERE acked_us IS NULL AND refused IS NOT NULL LIMIT 20")
        return [str(why) for (why,) in rows]

    def oldest_raw_us(self) -> int | None:
        """The instant of the oldest reading that is in no batch yet."""
        row = self._db.execute("SELECT at_us FROM raw ORDER BY boot, seq LIMIT 1").fetchone()
        return None if row is None else int(row[0])

    def spent(self, name: str) -> str:
        """An uplink's account as it was kept; empty at first."""
        return self._meta(name, "")

    def _rows(self, boot: int) -> list[Row]:
        found = self._db.execute(
            "SELECT seq, sensor, at_us, value, stays FROM raw WHERE boot = ? ORDER BY seq LIMIT ?",
            (boot, MOST_IN_BATCH),
        )
        return [Row(seq, sensor, at_us, value, bool(stays)) for seq, sensor, at_us, value, stays in found]

    def _gaps(self, open_gap: int) -> list[dict[str, Any]]:
        boot = int(self._meta("boot", "0"))
        names = ("boot", "first", "last", "count", "cause", "from_us", "until_us")
        found = self._db.execute(
            f"SELECT {', '.join(names)} FROM gap WHERE NOT (boot = ? AND first = ?) ORDER BY boot, first LIMIT 500",
            (boot, open_gap),
        )
        return [dict(zip(names, row, strict=True)) for row in found]

    def _insert(
        self, kind: str, boot: int, span: Sequence[int], now_us: int, previous: str, body: bytes, key: str, sign: Sign
    ) -> None:
        first, last = span or (None, None)
        self._db.execute(
            "INSERT INTO batch (kind, boot, first, last, sealed_us, previous, digest, signature, key)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (kind, boot, first, last, now_us, previous, heads.digest_of(body), sign(body), key),
        )
        self._db.execute("INSERT INTO payload VALUES (last_insert_rowid(), ?)", (zlib.compress(body, 6),))

    def _meta(self, name: str, default: str) -> str:
        row = self._db.execute("SELECT value FROM meta WHERE name = ?", (name,)).fetchone()
        return default if row is None else str(row[0])

    def _set_meta(self, name: str, value: str) -> None:
        self._db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (name, value))

    def _transaction(self) -> _Transaction:
        return _Transaction(self._db)


class _Transaction:
    """BEGIN IMMEDIATE ... COMMIT; anything raised inside, or by the commit, rolls back and goes on up."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def __enter__(self) -> None:
        self._db.execute("BEGIN IMMEDIATE")

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            try:
                self._db.execute("COMMIT")
                return
            except sqlite3.Error:
                self._roll_back()
                raise
        self._roll_back()

    def _roll_back(self) -> None:
        if self._db.in_transaction:
            try:
                self._db.execute("ROLLBACK")
            except sqlite3.Error:
                self._db.close()
