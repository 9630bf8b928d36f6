"""Opens gzip with limits: a small file may not become an endless one."""

from __future__ import annotations

import zlib

from waystation.kernel.refusals import BadInput

MOST_BYTES = 256 * 1024 * 1024
MOST_RATIO = 1000
_FREE_BYTES = 4 * 1024 * 1024
_STEP = 1024 * 1024


def unpacked(data: bytes, most_bytes: int = MOST_BYTES, most_ratio: int = MOST_RATIO) -> bytes:
    """`data`, or what is inside when it is gzip; BadInput for a torn archive or one that unpacks beyond the limits."""
    if data[:2] != b"\x1f\x8b":
        return data
    parts: list[bytes] = []
    size, rest = 0, data
    while rest:
        reader = zlib.decompressobj(wbits=31)
        while rest and not reader.eof:
            part = _next(reader, rest)
            size += len(part)
            if size > most_bytes or (size > _FREE_BYTES and size > len(data) * most_ratio):
                raise _too_large(size, most_bytes, most_ratio)
            parts.append(part)
            if not part and not reader.unconsumed_tail and not reader.eof:
                raise _torn("the archive ends early")
            rest = reader.unconsumed_tail
        if not reader.eof:
            raise _torn("the archive ends early")
        rest = reader.unused_data.lstrip(b"\x00")
        if rest and rest[:2] != b"\x1f\x8b":
            raise _torn("other bytes follow the archive")
    return b"".join(parts)


def _next(reader: zlib._Decompress, rest: bytes) -> bytes:
    try:
        return reader.decompress(rest, _STEP)
    except zlib.error as error:
        raise _torn(str(error)) from None


def _torn(why: str) -> BadInput:
    return BadInput("telemetry.gzip", f"The gzip file cannot be opened: {why}.", "Copy the file again from its source.")


def _too_large(size: int, most_bytes: int, most_ratio: int) -> BadInput:
    return BadInput(
        "telemetry.gzip_too_large",
        f"It unpacks to {size:,} bytes or more; the limit is {most_bytes:,}, or {most_ratio} times its size.",
        "Unpack it, split it by sensor or month, and judge the parts.",
    )
