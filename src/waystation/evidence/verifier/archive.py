"""The archive: byte for byte the one way to pack its members, each of them listed in MANIFEST."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from hashlib import sha256
from zlib import crc32

from waystation.evidence.verifier.strict import Members, Refused

RECORDS = ("alarms.json", "calibration.json", "consignments.json", "custody.json", "story.json")
LATER_RECORDS = ("access.json", "maintenance.json")  # packs made before these were kept have none
_ALWAYS = ("claim.json", "policy.json", "verify.py", *RECORDS)
BOUND = (*_ALWAYS, *LATER_RECORDS)
REQUIRED = ("MANIFEST", "checkpoint", *_ALWAYS)
_NUMBER = "0|[1-9][0-9]{0,18}"
_FIXED = "|".join(re.escape(name) for name in (*REQUIRED, *LATER_RECORDS, "consistency.json", "timestamp.tsr"))
MEMBER = re.compile(
    rf"(?:{_FIXED}|readings/[A-Za-z0-9_][A-Za-z0-9._-]*\.csv|entries/(?P<entry>{_NUMBER})\.json|proofs/(?P<proof>{_NUMBER})\.tlog-proof)"
)


def read_archive(data: bytes) -> Members:
    """The members of a canonical stored zip; any other byte anywhere is refused, naming the member it belongs to."""
    listed = _listed(data)
    members = Members()
    placed: dict[int, str] = {}
    starts: list[tuple[int, str]] = []
    at, last, directory = 0, "", bytearray()
    while data[at : at + 4] == b"PK\x03\x04":
        name, content, common, after = _member(data, at, listed.get(at, ""))
        if name <= last:
            raise Refused(name, "stands twice, or not in its place")
        starts.append((len(directory), name))
        directory += b"PK\x01\x02\x14\x03\x14\x00" + common + struct.pack("<HHHII", 0, 0, 0, 0o100644 << 16, at)
        directory += name.encode()
        members[name], placed[at] = content, name
        last, at = name, after
    if at in listed:
        raise Refused(listed[at], "its header in the archive was changed")
    for place, name in listed.items():
        if name not in members:
            raise Refused(placed.get(place) or name or "archive", f"is listed as {name!r} and is not there as that")
    count = len(members)
    end = struct.pack("<HHHHIIH", 0, 0, count, count, len(directory), at, 0)
    expected, found = bytes(directory + b"PK\x05\x06" + end), data[at:]
    if found != expected:
        differs = next((i for i, byte in enumerate(expected) if found[i : i + 1] != bytes([byte])), len(expected))
        inside = [name for start, name in starts if start <= differs < len(directory)]
        raise Refused(inside[-1] if inside else "archive", "the archive's directory is not the one of these members")
    return members


def _member(data: bytes, at: int, listed: str) -> tuple[str, memoryview, bytes, int]:
    """Name, content, header fields and end of the member at this offset; `listed` is its name in the directory."""
    if len(data) < at + 30:
        raise Refused(listed or "archive", "the archive ends inside a header")
    size, length = struct.unpack_from("<I", data, at + 22)[0], struct.unpack_from("<H", data, at + 26)[0]
    raw, after = data[at + 30 : at + 30 + length], at + 30 + length + size
    name = raw.decode("ascii", "replace")
    content = memoryview(data)[at + 30 + length : after]
    fields = (0, 0, 0, 0x21, crc32(content), len(content), len(content), len(raw), 0)
    common = struct.pack("<HHHHIIIHH", *fields)
    if data[at : at + 30] != b"PK\x03\x04\x14\x00" + common:
        raise Refused(listed or name, "its bytes or its header in the archive were changed")
    if listed not in ("", name):
        line = f"{sha256(content).hexdigest()}  {listed}\n".encode()
        right = listed if listed == "MANIFEST" or line in data else name
        raise Refused(right, f"is called {listed!r} in the archive's directory and {name!r} at its place")
    if not MEMBER.fullmatch(name):
        raise Refused(name, "is no member that a pack may have")
    return name, content, common, after


def _listed(data: bytes) -> dict[int, str]:
    """Offset and name of each member in the zip's directory, as far as it can be read; used to name what is wrong."""
    found: dict[int, str] = {}
    end = data.rfind(b"PK\x05\x06")
    if end < 0 or len(data) < end + 20:
        return found
    at = struct.unpack_from("<I", data, end + 16)[0]
    while data[at : at + 4] == b"PK\x01\x02" and len(data) >= at + 46:
        length, extra, comment = struct.unpack_from("<HHH", data, at + 28)
        found[struct.unpack_from("<I", data, at + 42)[0]] = data[at + 46 : at + 46 + length].decode("ascii", "replace")
        at += 46 + length + extra + comment
    return found


def check_manifest(members: Members) -> Iterator[Refused]:
    """MANIFEST lists every other member with its digest, and the pack has what a pack must have."""
    yield from (Refused(name, "is missing") for name in REQUIRED if name not in members)
    digests = {name: members.digest(name) for name in members if name != "MANIFEST"}
    right = [f"{digests[name]}  {name}" for name in sorted(digests)]
    lines = bytes(members.get("MANIFEST", b"")).decode("utf-8", "replace").split("\n")
    if lines == [*right, ""]:
        return
    stated = {line[66:]: line[:64] for line in lines if line[64:66] == "  "}
    for name in sorted(stated.keys() | digests.keys()):
        if name not in digests:
            yield Refused(name, "is listed in MANIFEST and is missing")
        elif name not in stated:
            yield Refused(name, "is not listed in MANIFEST")
        elif stated[name] != digests[name]:
            yield Refused(name, "is not the file that MANIFEST lists: one of the two was changed")
    yield Refused("MANIFEST", "is not the sorted list of the members and their digests")
