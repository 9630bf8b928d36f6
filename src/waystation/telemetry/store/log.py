"""The append-only log: the system of record for readings until they are sealed into segments.

A file is a run of frames: `length u32 | CRC-32 u32 | payload`, little-endian. A payload is a JSON head (length u32
before it) and four columns. `append` returns after `fdatasync`: what it acknowledged survives a power cut. A torn
tail (a crash in the middle of a frame) is cut off when the log is opened; a bad frame before the tail is refused.
"""

from __future__ import annotations

import json
import os
import struct
import threading
import zlib
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from waystation.kernel.refusals import Unavailable

_FRAME = struct.Struct("<II")
_HEAD = struct.Struct("<I")
MAX_FRAME_BYTES = 16 * 1024 * 1024
ROTATE_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Frame:
    """One accepted batch of a site. Columns have one item per reading; `value` is NaN where there was no measurement."""

    # site, machine, source_class, received_us, boot, digest, sensors (codes)
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
    """The log of one installation, in a folder of numbered files. One process writes; any number read."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._lock = threading.Lock()
        self._file: int | None = None
        self._descriptor = -1
        self._broken: str = ""

    def append(self, frames: Sequence[Frame]) -> Position:
        """Write the frames and make them durable, all with one `fdatasync`; returns the position after them.

        Raises Unavailable when the disk refuses; from then on every call does, until the log is opened again:
        after a failed sync nobody knows what the disk holds.
        """
        data = b"".join(_framed(frame.encode()) for frame in frames)
        with self._lock:
            if self._broken:
                raise _cannot_accept(self._broken)
            try:
                self._open_for_append()
                begin = os.lseek(self._descriptor, 0, os.SEEK_END)
                _write_all(self._descriptor, data)
                os.fdatasync(self._descriptor)
            except OSError as error:
                self._broken = f"{error.strerror} ({self.folder})"
                self._close()
                raise _cannot_accept(self._broken) from error
            end = Position(self._file or 0, begin + len(data))
            if end.offset >= ROTATE_BYTES:
                self._close()
                self._file = end.file + 1
        return end

    def rotate(self) -> int:
        """Begin a new file; returns the number of the one that ended."""
        with self._lock:
            current = self._current()
            self._close()
            if (self.folder / _name(current)).exists():
                self._file = current + 1
            return current

    def end(self) -> Position:
        """The position after the last frame."""
        files = self.files()
        if not files:
            return Position(self._file or 1, 0)
        last = files[-1]
        if self._file is not None and self._file > last:
            return Position(self._file, 0)
        return Position(last, (self.folder / _name(last)).stat().st_size)

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

    def recover(self) -> int:
        """Cut a torn tail off the last file; returns how many bytes went. Called once when the writer opens."""
        files = self.files()
        if not files:
            return 0
        path = self.folder / _name(files[-1])
        good = max((p.offset for _, p in self._read_file(files[-1], 0)), default=0)
        torn = path.stat().st_size - good
        if torn:
            with path.open("r+b") as file:
                file.truncate(good)
                os.fdatasync(file.fileno())
        return torn

    def _read_file(self, number: int, offset: int) -> Iterator[tuple[Frame, Position]]:
        with (self.folder / _name(number)).open("rb") as file:
            file.seek(offset)
            while len(lead := file.read(_FRAME.size)) == _FRAME.size:
                length, crc = _FRAME.unpack(lead)
                payload = file.read(length) if length <= MAX_FRAME_BYTES else b""
                if len(payload) != length or zlib.crc32(payload) != crc:
                    return
                offset += _FRAME.size + length
                yield Frame.decode(payload), Position(number, offset)

    def _current(self) -> int:
        if self._file is None:
            files = self.files()
            self._file = files[-1] if files else 1
        return self._file

    def _open_for_append(self) -> None:
        if self._descriptor >= 0:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        if self._file is None:
            self.recover()
        path = self.folder / _name(self._current())
        fresh = not path.exists()
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o640)
        if fresh:
            _sync_folder(self.folder)

    def _close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def _name(number: int) -> str:
    return f"{number:010d}.log"


def _framed(payload: bytes) -> bytes:
    return _FRAME.pack(len(payload), zlib.crc32(payload)) + payload


def _write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _cannot_accept(why: str) -> Unavailable:
    return Unavailable(
        "telemetry.cannot_store",
        f"Readings cannot be stored: {why}.",
        "Keep them and send again; the platform owner must free or mend the disk and restart.",
        retry_after_s=30,
    )
