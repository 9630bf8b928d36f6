"""The evidence pack as bytes: one deterministic archive, every member listed, nothing left to chance.

The same members always give the same bytes: stored, not compressed; names sorted; one fixed date; no comment, no
extra field. What each member means, and how it is proved, stands in `evidence/verifier/verify.py`.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Mapping
from hashlib import sha256
from io import BytesIO
from zlib import crc32

from waystation.kernel.canonical import canonical
from waystation.kernel.refusals import BadInput, TooMuch

MANIFEST = "MANIFEST"
CLAIM = "claim.json"
CHECKPOINT = "checkpoint"
POLICY = "policy.json"
VERIFIER = "verify.py"
CONSISTENCY = "consistency.json"
STAMP = "timestamp.tsr"
RECORDS = ("alarms.json", "calibration.json", "consignments.json", "custody.json", "story.json")
LATER_RECORDS = ("access.json", "maintenance.json")
REQUIRED = (CHECKPOINT, CLAIM, POLICY, VERIFIER, *RECORDS)
PACK_MADE = "evidence.pack_made"
READINGS_EXPORTED = "evidence.readings_exported"
PACK_SCHEMA = "waystation.pack/1"
POLICY_SCHEMA = "waystation.policy/1"
CONSISTENCY_SCHEMA = "waystation.consistency/1"
CSV_HEADER = "observed_at,value_c,quality,source_class,boot,seq"

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*(?:/[A-Za-z0-9_][A-Za-z0-9._-]*)?")
_UNPROVED_BY_LEAF = re.compile(r"MANIFEST|checkpoint|consistency\.json|timestamp\.tsr|entries/.*|proofs/.*")
_DATE_1980_01_01 = 0x21
_MODE_0644 = 0o100644 << 16
_MAX_MEMBERS = 65_534
_MAX_BYTES = 2**32 - 2


def readings_path(sensor: str) -> str:
    """Where the readings of a sensor stand."""
    return f"readings/{sensor}.csv"


def entry_path(index: int) -> str:
    """Where the bytes of a log entry stand."""
    return f"entries/{index}.json"


def proof_path(index: int) -> str:
    """Where the proof of a log entry stands."""
    return f"proofs/{index}.tlog-proof"


def digest(content: bytes) -> str:
    """SHA-256 in lower-case hexadecimal."""
    return sha256(content).hexdigest()


def pack_made_facts(members: Mapping[str, bytes], with_readings: bool = True) -> dict[str, object]:
    """The `facts` of the `evidence.pack_made` entry: the digest of every member that the log must vouch for.

    Take it over the members before entries, proofs, checkpoint and manifest are added; those four are verified
    by their own means, so there is no circle. Without readings (many sensors do not fit in one entry) each readings
    member needs its own `evidence.readings_exported` entry.
    """
    if CLAIM not in members:
        raise BadInput("evidence.pack_member", "A pack is about a claim, and claim.json is missing.", field=CLAIM)
    bound = {
        path: digest(members[path])
        for path in sorted(members)
        if not _UNPROVED_BY_LEAF.fullmatch(path) and (with_readings or not path.startswith("readings/"))
    }
    return {"claim_sha256": bound[CLAIM], "members": bound}


def readings_exported_facts(path: str, content: bytes) -> dict[str, str]:
    """The `facts` of an `evidence.readings_exported` entry: one readings member and its digest."""
    return {"path": path, "sha256": digest(content)}


def policy_member(origin: str, log_vkey: str, witness_vkeys: list[str], quorum: int) -> bytes:
    """policy.json: the pack's own statement of the keys; an auditor's trust file decides."""
    log = {"origin": origin, "vkey": log_vkey}
    return canonical({"schema": POLICY_SCHEMA, "log": log, "witnesses": witness_vkeys, "quorum": quorum})


def manifest(members: Mapping[str, bytes]) -> bytes:
    """MANIFEST: SHA-256, two spaces and path of every other member, sorted by path."""
    return "".join(f"{digest(members[p])}  {p}\n" for p in sorted(members) if p != MANIFEST).encode()


def build_pack(members: dict[str, bytes], *, drain: bool = False) -> bytes:
    """The archive of these members and their MANIFEST; missing or misnamed members are refused.

    With `drain` the dict is empty afterwards, and no member is held twice while the archive grows.
    """
    for name in REQUIRED:
        if name not in members:
            raise BadInput("evidence.pack_member", f"The pack has no {name}.", field="members", value=name)
    for name in members:
        if not _NAME.fullmatch(name) or name == MANIFEST:
            raise BadInput("evidence.pack_member", f"{name!r} cannot be a member.", field="members", value=name)
    whole = {**members, MANIFEST: manifest(members)}
    if drain:
        members.clear()
    return _archive(whole)


def archive(members: Mapping[str, bytes]) -> bytes:
    """A stored zip of exactly these members, the same bytes every time."""
    return _archive(dict(members))


def _archive(members: dict[str, bytes]) -> bytes:
    """The archive; each member leaves the dict as it is written."""
    total = sum(len(content) + 2 * len(name) + 76 for name, content in members.items())
    if len(members) > _MAX_MEMBERS or total > _MAX_BYTES:
        raise TooMuch(
            "evidence.pack_too_large",
            f"A pack of {len(members)} members and {total} bytes does not fit in one archive.",
            "Ask for a shorter period.",
        )
    out, directory, count = BytesIO(), bytearray(), len(members)
    for name in sorted(members):
        content, path, at = members.pop(name), name.encode("ascii"), out.tell()
        common = struct.pack(
            "<HHHHIIIHH", 0, 0, 0, _DATE_1980_01_01, crc32(content), len(content), len(content), len(path), 0
        )
        directory += b"PK\x01\x02" + struct.pack("<HH", 0x0314, 20) + common
        directory += struct.pack("<HHHII", 0, 0, 0, _MODE_0644, at) + path
        out.write(b"PK\x03\x04" + struct.pack("<H", 20) + common + path)
        out.write(content)
    end = b"PK\x05\x06" + struct.pack("<HHHHIIH", 0, 0, count, count, len(directory), out.tell(), 0)
    out.write(directory + end)
    return out.getvalue()
