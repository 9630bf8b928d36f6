"""The append-only log: the system of record for readings until they are sealed into segments.

A file is a run of frames: `length u32 | CRC-32 u32 | payload`, little-endian. A payload is a JSON head (length u32
before it) and four columns. `append` returns after `fdatasync`: what it acknowledged survives a power cut. A torn
tail (a crash in the middle of a frame) is cut off when the log is opened; a bad frame before the tail is refused.
"""

from __future__ import annotations

import fcntl
import json
import os
import struct
import threading
import zlib
from array import array
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from waystation.kernel.refusals import TooLarge, Unavailable

_FRAME = struct.Struct("<II")
_HEAD = struct.Struct("<I")
MAX_FRAME_BYTES = 16 * 1024 * 1024
ROTATE_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Frame:
    """One accepted batch of a site. Columns have one item per reading; `value` is NaN where nothing was measured."""

    # site, machine, source_class, received_us, boot, digest, sensors (codes); ahead_us of a clock nobody believes
    head: dict[str, Any]
    sensor: Sequence[int]  # index into head["sensors"]
    at_us: Sequence[int]
    value: Sequence[float]
    seq: Sequence[int]

    def encode(self) -> bytes:
        """The payload's bytes."""
        head = json.dumps(self.head, sort_keys=True, separators=(",", ":")).encode()
        columns = (array("H", self.sensor), array("q", self.at_us), array("d", self.value), array("Q", self.seq))
        return _HEAD.pack(len(head)) + head + _HEAD.pack(len(self.sensor)) + b"".join(c.tobytes() for c in columns)

    @classmethod
    def decode(cls, payload: bytes) -> Frame:
        """A frame from its payload; ValueError when it is not one."""
        size = _HEAD.unpack_from(payload)[0]
        head = json.loads(payload[4 : 4 + size])
        count = _HEAD.unpack_from(payload, 4 + size)[0]
        offset, columns = 8 + size, []
        for code in "HqdQ":
            column = array(code)
            column.frombytes(payload[offset : offset + count * column.itemsize])
            offset += count * column.itemsize
            columns.append(column)
        if offset != len(payload) or any(len(c) != count for c in columns):
            raise ValueError("a frame's columns do not have the length that it says")
        return cls(head, *columns)


@dataclass(frozen=True, slots=True, order=True)
class Position:
    """A place in the log: file number and byte offset of the next frame."""

    file: int
    offset: int


class Log:
    """The log of one installation, in a folder of numbered files; the highest number takes what is appended.

    Several processes may append and rotate: a file lock in the folder orders them. Any number read.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._lock = threading.Lock()
        self._file = 0
        self._descriptor = -1
        self._broken: str = ""

    def __del__(self) -> None:
        """Let the file go with the last who knows this log."""
        self._close()

    def append(self, frames: Sequence[Frame]) -> Position:
        """Write the frames and make them durable, all with one `fdatasync`; returns the position after them.

        Raises TooLarge, with nothing written, for a frame that no reader would take. Raises Unavailable when the disk
        refuses. A write that the disk has no room for is cut off again, and the next
        call tries anew. After a failed sync nobody knows what the disk holds: from then on every call is refused,
        until the process starts again.
        """
        data = b"".join(_framed(frame.encode()) for frame in frames)
        with self._lock:
            if self._broken:
                raise _cannot_accept(self._broken, "must mend the disk and restart")
            try:
                with self._alone():
                    return self._append(data)
            except _NotSynced as error:
                self._broken = f"{error} ({self.folder})"
                self._close()
                raise _cannot_accept(self._broken, "must mend the disk and restart") from error
            except OSError as error:
                self._close()
                raise _cannot_accept(f"{error.strerror} ({self.folder})", "must free the disk") from error

    def why_broken(self) -> str:
        """Why nothing is appended any more until the process starts again; empty while all is well."""
        return self._broken

    def _append(self, data: bytes) -> Position:
        number = self._open_newest()
        begin = os.lseek(self._descriptor, 0, os.SEEK_END)
        try:
            _write_all(self._descriptor, data)
        except OSError:
            with suppress(OSError):  # else the torn tail is cut off when the file is opened again
                os.ftruncate(self._descriptor, begin)
            raise
        _sync(self._descriptor)
        if begin + len(data) >= ROTATE_BYTES:
            self._begin(number + 1)
        return Position(number, begin + len(data))

    def rotate(self) -> None:
        """End the newest file, unless it is empty, so that it can be sealed."""
        with self._lock, self._alone():
            files = self.files()
            if files and (self.folder / _name(files[-1])).stat().st_size:
                self._begin(files[-1] + 1)

    def size(self, number: int) -> int:
        """The bytes of a file."""
        return self.path(number).stat().st_size

    def path(self, number: int) -> Path:
        """Where a file stands."""
        return self.folder / _name(number)

    def end(self) -> Position:
        """The position after the last frame."""
        files = self.files()
        return Position(files[-1], self.size(files[-1])) if files else Position(1, 0)

    def files(self) -> list[int]:
        """The numbers of the files there are."""
        return sorted(int(p.stem) for p in self.folder.glob("*.log")) if self.folder.exists() else []

    def read(self, after: Position) -> Iterator[tuple[Frame, Position]]:
        """The frames after a position with the position behind each; stops at a torn tail."""
        for number in self.files():
            if number >= after.file:
                yield from self._read_file(number, after.offset if number == after.file else 0)

    def drop(self, number: int) -> None:
        """Remove a file whose readings are sealed."""
        path = self.folder / _name(number)
        if path.exists():
            path.unlink()
            _sync_folder(self.folder)

    def _recover(self, number: int) -> None:
        """Cut a torn tail off a file before anything is appended to it."""
        path = self.folder / _name(number)
        good = max((p.offset for _, p in self._read_file(number, 0)), default=0)
        if path.stat().st_size != good:
            with path.open("r+b") as file:
                file.truncate(good)
                os.fdatasync(file.fileno())

    def _read_file(self, number: int, offset: int) -> Iterator[tuple[Frame, Position]]:
        with (self.folder / _name(number)).open("rb") as file:
            file.seek(offset)
            while len(lead := file.read(_FRAME.size)) == _FRAME.size:
                length, crc = _FRAME.unpack(lead)
                payload = file.read(length) if length <= MAX_FRAME_BYTES else b""
                if not payload or len(payload) != length or zlib.crc32(payload) != crc:
                    return  # nothing, too: a crash may leave zeros, which are a length and a check sum of nothing
                offset += _FRAME.size + length
                yield Frame.decode(payload), Position(number, offset)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        self.folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT, 0o640)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def _open_newest(self) -> int:
        files = self.files()
        if not files:
            self._begin(1)
            files = [1]
        if self._file != files[-1] or self._descriptor < 0:
            self._close()
            self._recover(files[-1])
            self._file = files[-1]
            self._descriptor = os.open(self.folder / _name(self._file), os.O_WRONLY | os.O_APPEND)
        return self._file

    def _begin(self, number: int) -> None:
        os.close(os.open(self.folder / _name(number), os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o640))
        _sync_folder(self.folder)

    def _close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def _name(number: int) -> str:
    return f"{number:010d}.log"


def _framed(payload: bytes) -> bytes:
    if len(payload) > MAX_FRAME_BYTES:
        raise TooLarge(
            "telemetry.too_large",
            f"Stored, the readings would be {len(payload):,} bytes; at most {MAX_FRAME_BYTES:,} are kept together.",
            "Send smaller batches, or shorter names of sensors.",
        )
    return _FRAME.pack(len(payload), zlib.crc32(payload)) + payload


def _write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


class _NotSynced(Exception):
    """What was written may or may not be on the disk."""


def _sync(descriptor: int) -> None:
    try:
        os.fdatasync(descriptor)
    except OSError as error:
        raise _NotSynced(error.strerror) from error


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _cannot_accept(why: str, remedy: str) -> Unavailable:
    return Unavailable(
        "telemetry.cannot_store",
        f"Readings cannot be stored: {why}.",
        f"Keep them and send again; the platform owner {remedy}.",
        retry_after_s=30,
    )
