"""What the log proves: entries, continuity (RFC 6962, verified as in RFC 9162 section 2.1), and what they vouch for."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from hashlib import sha256
from typing import Any

from waystation.evidence.verifier.archive import BOUND, LATER_RECORDS, MEMBER, RECORDS
from waystation.evidence.verifier.strict import Members, Refused, base64_bytes, number, read_json
from waystation.evidence.verifier.trust import Head, Trust

EXPORTS = ("evidence.readings_exported", "telemetry.segment_sealed")
CONTINUES = "waystation.consistency/1"
PACK_MADE = "evidence.pack_made"
Entries = dict[int, dict[str, Any]]


def _node(left: bytes, right: bytes) -> bytes:
    return sha256(b"\x01" + left + right).digest()


def tree_roots(fn: int, sn: int, node: bytes, path: list[bytes]) -> tuple[bytes, bytes]:
    """Old and new root that a path leads to from positions fn, sn; the new one is an inclusion proof's root."""
    old = new = node
    for sibling in path:
        if sn == 0:
            raise ValueError("the path is too long")
        if fn & 1 or fn == sn:
            old, new = _node(sibling, old), _node(sibling, new)
            while not fn & 1 and fn:
                fn, sn = fn >> 1, sn >> 1
        else:
            new = _node(new, sibling)
        fn, sn = fn >> 1, sn >> 1
    if sn:
        raise ValueError("the path is too short")
    return old, new


def check_entry(members: Members, index: int, head: Head) -> dict[str, Any]:
    """The log entry at an index, once its proof leads from its bytes to the root of the signed head."""
    proof = f"proofs/{index}.tlog-proof"
    try:
        text, _, checkpoint = bytes(members[proof]).decode().partition("\n\n")
        first, second, *path = text.split("\n")
        if first != "c2sp.org/tlog-proof@v1" or second != f"index {index}" or index >= head.size:
            raise ValueError(f"it is not a proof for entry {index} of {head.size}")
        if checkpoint.encode() != members["checkpoint"]:
            raise ValueError("it rests on another checkpoint")
        leaf = sha256(b"\x00" + members[f"entries/{index}.json"]).digest()
        root = tree_roots(index, head.size - 1, leaf, [base64_bytes(line, 32) for line in path])[1]
    except ValueError as error:
        raise Refused(proof, str(error)) from error
    if root != head.root:
        raise Refused(f"entries/{index}.json", f"is not what the log holds at {index}, or {proof} was changed")
    entry: dict[str, Any] = read_json(members, f"entries/{index}.json", dict)
    return entry


def check_entries(members: Members, head: Head, refusals: list[Refused]) -> Entries:
    """Every entry of the pack by its index, each proven; what is not is added to the refusals."""
    proven: Entries = {}
    matches = [found for found in map(MEMBER.fullmatch, members) if found]
    entries, proofs = ({m.group(g): m.group() for m in matches if m.group(g)} for g in ("entry", "proof"))
    for index in sorted(entries.keys() ^ proofs.keys(), key=int):
        refusals.append(Refused(entries.get(index) or proofs[index], "an entry and its proof come together"))
    for index in sorted(entries.keys() & proofs.keys(), key=int):
        try:
            proven[int(index)] = check_entry(members, int(index), head)
        except Refused as refusal:
            refusals.append(refusal)
    return proven


def _continued(members: Members, head: Head) -> Iterator[tuple[int, bytes]]:
    """Size and root of each earlier head that consistency.json proves this one to continue."""
    value = read_json(members, "consistency.json", dict)
    plain = {
        "proofs": [{k: item[k] for k in ("hashes", "root", "size")} for item in value["proofs"]],
        "schema": CONTINUES,
    }
    if json.dumps(plain, separators=(",", ":")).encode() != members["consistency.json"]:
        raise ValueError("it is not the canonical form of its proofs")
    for item in value["proofs"]:
        size, root = number(str(item["size"])), base64_bytes(item["root"], 32)
        path = [base64_bytes(text, 32) for text in item["hashes"]]
        if not 0 < size < head.size or (size & (size - 1) and not path):
            raise ValueError(f"there is no proof from {size} to {head.size}")
        first = path.pop(0) if size & (size - 1) else root
        shift = (size & -size).bit_length() - 1
        if tree_roots((size - 1) >> shift, (head.size - 1) >> shift, first, path) != (root, head.root):
            raise ValueError(f"the log of {head.size} entries does not continue the head of {size}")
        yield size, root


def check_continuity(members: Members, trust: Trust, head: Head) -> str:
    """That this head continues the one that the auditor knows; returns what may be said."""
    proofs = {head.size: head.root, 0: sha256(b"").digest()}
    if "consistency.json" in members:
        try:
            proofs.update(_continued(members, head))
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise Refused("consistency.json", f"{type(error).__name__} {error}") from error
    if trust.known is None:
        return ""
    size, root = trust.known
    if size > head.size:
        raise Refused("checkpoint", f"ROLLED BACK: you know a head of {size} entries, this one has {head.size}")
    if size not in proofs:
        raise Refused("consistency.json", f"nothing shows that this log continues the head of {size} that you know")
    if proofs[size] != root:
        raise Refused("checkpoint", f"ANOTHER HISTORY: this log's head at {size} entries is not the one that you know")
    return f"The log continues the head of {size} entries that you know."


def check_bindings(members: Members, entries: Entries) -> Iterator[Refused]:
    """Claim, keys, verifier, records and readings are, by digest and path, what proven entries name."""
    claim = members.digest("claim.json")
    facts = [(e.get("kind"), e["facts"]) for e in entries.values() if isinstance(e.get("facts"), dict)]
    made = [f for kind, f in facts if kind == PACK_MADE and f.get("claim_sha256") == claim]
    if not made:
        yield Refused("claim.json", "no proven entry of the log is about this claim: it was changed, or never logged")
        return
    named = {pair for f in made[:1] if isinstance(f.get("members"), dict) for pair in _texts(f["members"].items())}
    exported = set(_texts((f.get("path"), f.get("sha256")) for kind, f in facts if kind in EXPORTS))
    for name in members:
        pair = (name, members.digest(name))
        if (name in BOUND and pair not in named) or (name.startswith("readings/") and pair not in named | exported):
            yield Refused(name, "no proven entry of the log names this file with this content")
    yield from (
        Refused(name, "the log names it as part of this pack, and it is missing")
        for name, _ in named
        if name not in members
    )


def _texts(pairs: Iterable[tuple[Any, Any]]) -> Iterator[tuple[str, str]]:
    return ((path, digest) for path, digest in pairs if isinstance(path, str) and isinstance(digest, str))


def check_records(members: Members, entries: Entries, not_proven: list[str]) -> Iterator[Refused]:
    """Each record that names an entry must find it proven, and may not contradict it in anything both say."""
    for name in (*RECORDS, *(later for later in LATER_RECORDS if later in members)):
        bare = 0
        for place, record in enumerate(read_json(members, name, list)):
            entry = record.get("entry") if isinstance(record, dict) else None
            if entry is None:
                bare += 1
            elif type(entry) is not int or entry not in entries:
                yield Refused(name, f"record {place} rests on entry {entry!r}, which is not proven here")
            else:
                other = [k for k in record if k != "entry" and k in entries[entry] and record[k] != entries[entry][k]]
                if other:
                    yield Refused(name, f"record {place} says another {', '.join(other)} than entry {entry} of the log")
        if bare:
            not_proven.append(f"{name}: {bare} records name no entry of their own; the log vouches for the file only.")
