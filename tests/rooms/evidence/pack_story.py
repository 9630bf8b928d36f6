"""A small network's log, its keys, and a pack over one fridge-day: what the pack tests start from."""

from __future__ import annotations

import json
from base64 import b64encode
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from waystation.evidence.rules import checkpoints, merkle, notes, pack, proofs, signing
from waystation.evidence.verifier.one_file import one_file
from waystation.kernel.canonical import canonical

ORIGIN = "log.example/north"
START = "2026-11-18T00:00:00Z"
END = "2026-11-18T02:00:00Z"


def seed(name: str) -> bytes:
    return sha256(name.encode()).digest()


def key(name: str, algorithm: int = notes.ED25519) -> notes.VerifierKey:
    return notes.VerifierKey(name, algorithm, signing.public_of(seed(name)))


LOG = key(ORIGIN)
WITNESS = key("witness.example/qa", notes.COSIGNATURE_V1)


def trust(**changes: object) -> dict[str, Any]:
    """The auditor's own file."""
    own = {"origin": ORIGIN, "vkey": LOG.vkey()}
    return {"schema": "waystation.trust/1", "log": own, "witnesses": [WITNESS.vkey()], "quorum": 1, **changes}


def readings(values: list[str], minutes: int = 10, source: str = "signed_batch") -> bytes:
    """A readings file: one value every `minutes` from START, an empty text is an unusable reading."""
    rows = [pack.CSV_HEADER]
    for i, value in enumerate(values):
        at = i * minutes
        rows.append(f"2026-11-18T{at // 60:02d}:{at % 60:02d}:00Z,{value},good,{source},1,{i + 1}")
    return ("\n".join(rows) + "\n").encode()


STEADY = ["5.0"] * 13
WARM = ["5.0", "5.0", "9.5", "10.0", *["5.0"] * 9]


def claim(files: dict[str, bytes], **changes: object) -> dict[str, Any]:
    """A claim of a steady two hours, unless changed."""
    listed = [
        {"path": path, "sensor": path[9:-4], "space": "fridge 1", "sha256": pack.digest(data)}
        for path, data in sorted(files.items())
    ]
    limits = {"name": "vaccine", "low_c": "2", "high_c": "8", "guard_band_c": "0", "max_hold_s": 900}
    period = {"network": "north", "site": "clinic", "spaces": ["fridge 1"], "from": START, "to": END}
    minutes = {"in_range_min": 120, "out_of_range_min": 0, "not_proven_min": 0}
    rest = {"excursions": [], "readings": listed, "not_proven": [], "not_checked": ["mapping"], "conditional": True}
    head = {"schema": pack.PACK_SCHEMA, "verdict": "in_range_proven", "source_classes": ["signed_batch"]}
    return {**head, **period, "profile": limits, **minutes, **rest, **changes}


WARM_CLAIM = {
    "verdict": "out_of_range",
    "in_range_min": 100,
    "out_of_range_min": 20,
    "excursions": [
        {"sensor": "s1", "start": "2026-11-18T00:20:00Z", "direction": "high", "peak_c": 10.0, "minutes": 20}
    ],
}


@dataclass
class Log:
    """A log kept in memory: leaves, nodes, checkpoints, proofs."""

    leaves: list[bytes] = field(default_factory=list)
    origin: str = ORIGIN

    def add(self, kind: str, facts: dict[str, Any]) -> int:
        self.leaves.append(canonical({"kind": kind, "network": "north", "facts": facts}))
        return len(self.leaves) - 1

    def hash_at(self, level: int, index: int) -> bytes:
        made = merkle.Frontier().grow(merkle.leaf_hash(leaf) for leaf in self.leaves)[1]
        return {(a, b): node for a, b, node in made}[level, index]

    def head(self, size: int | None = None) -> checkpoints.Head:
        size = len(self.leaves) if size is None else size
        return checkpoints.Head(size, merkle.root(size, self.hash_at))

    def checkpoint(self, by: notes.VerifierKey = LOG, witnesses: tuple[notes.VerifierKey, ...] = (WITNESS,)) -> bytes:
        text = checkpoints.Checkpoint(self.origin, self.head())
        note = checkpoints.sign_checkpoint(text, by, signing.signer(seed(by.name)))
        return checkpoints.add_signatures(
            note, [notes.cosign_note(text.text(), w, signing.signer(seed(w.name)), 1_795_000_000) for w in witnesses]
        )

    def proof(self, index: int, checkpoint: bytes) -> bytes:
        path = merkle.inclusion_proof(index, len(self.leaves), self.hash_at)
        return proofs.TlogProof(index, tuple(path), checkpoint).text().encode()

    def consistency(self, *sizes: int) -> bytes:
        return canonical({"schema": pack.CONSISTENCY_SCHEMA, "proofs": [self._continues(size) for size in sizes]})

    def _continues(self, size: int) -> dict[str, Any]:
        hashes = merkle.consistency_proof(size, len(self.leaves), self.hash_at)
        root = b64encode(self.head(size).root).decode()
        return {"size": size, "root": root, "hashes": [b64encode(node).decode() for node in hashes]}


def log_of(count: int) -> Log:
    log = Log()
    for i in range(count):
        log.add("alarms.acknowledged", {"alarm": f"alarm {i}"})
    return log


def members(
    log: Log | None = None,
    files: dict[str, bytes] | None = None,
    about: dict[str, Any] | None = None,
    known: tuple[int, ...] = (),
    witnesses: tuple[notes.VerifierKey, ...] = (WITNESS,),
) -> dict[str, bytes]:
    """All members of a pack but MANIFEST, over a log of about twenty entries."""
    log = log_of(18) if log is None else log
    files = {pack.readings_path("s1"): readings(STEADY)} if files is None else files
    made = dict(files)
    made[pack.CLAIM] = json.dumps(claim(files, **(about or {})), indent=1).encode()
    made[pack.POLICY] = pack.policy_member(ORIGIN, LOG.vkey(), [WITNESS.vkey()], 1)
    made[pack.VERIFIER] = one_file()
    for name in pack.RECORDS:
        made[name] = b"[]"
    made["alarms.json"] = json.dumps([{"entry": 3, "kind": "alarms.acknowledged"}, {"note": "no entry"}]).encode()
    exported = [log.add(pack.READINGS_EXPORTED, pack.readings_exported_facts(p, d)) for p, d in files.items()]
    shown = [3, *exported, log.add(pack.PACK_MADE, pack.pack_made_facts(made))]
    made[pack.CHECKPOINT] = log.checkpoint(witnesses=witnesses)
    for index in shown:
        made[pack.entry_path(index)] = log.leaves[index]
        made[pack.proof_path(index)] = log.proof(index, made[pack.CHECKPOINT])
    if known:
        made[pack.CONSISTENCY] = log.consistency(*known)
    return made
