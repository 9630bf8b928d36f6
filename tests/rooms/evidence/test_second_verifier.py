"""Two verifiers, written apart: they agree on what is good, on what is bent, and on whose byte it is."""

from __future__ import annotations

import json
import random
import re
import subprocess
from base64 import b64encode
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.rooms.evidence import pack_story as story
from tests.rooms.evidence.second import NODE, ROOT, SCRIPT, both_refuse, flips, second_verdicts, structures
from waystation.evidence.rules import pack
from waystation.evidence.verifier.verdict import Profile, judge_sensor, length_us
from waystation.evidence.verifier.verify import verify_pack

FLIPS, STRUCTURES = 500, 90
FIGURES = ("in_range_min", "out_of_range_min", "not_proven_min", "sensors", "readings", "excursions", "inputs_pct")


def agree(data: bytes, trust: dict[str, Any]) -> str:
    """Both verify it with the same verdict and figures, or both refuse it naming the same members."""
    first, (second,) = verify_pack(data, trust), second_verdicts([data], trust)
    assert first.ok == second["verified"], (first.sentence(), second)
    assert first.ok or {r.member for r in first.refusals} & {r["member"] for r in second["refusals"]}
    if first.ok:
        assert first.verdict == second["verdict"]
        assert [first.facts[name] for name in FIGURES] == [second[name] for name in FIGURES]
        assert first.unwitnessed == second["unwitnessed"]
    return str(first.verdict) if first.ok else "refused"


def test_evd_08_both_verify_good_packs_with_the_same_figures() -> None:
    """In range, out of range, not witnessed, with a known head, and with one that is not continued."""
    warm = {pack.readings_path("s1"): story.readings(story.WARM)}
    head = story.log_of(16).head()
    known = {"size": 16, "root": b64encode(head.root).decode()}
    good = pack.build_pack(story.members(known=(5, 16)))
    assert agree(good, story.trust()) == "in_range_proven"
    assert agree(pack.build_pack(story.members(files=warm, about=story.WARM_CLAIM)), story.trust()) == "out_of_range"
    bare = pack.build_pack(story.members(witnesses=()))
    assert agree(bare, story.trust(quorum=0)) == "in_range_proven"
    assert agree(bare, story.trust()) == "refused"
    assert agree(good, story.trust(known_head=known)) == "in_range_proven"
    assert agree(good, story.trust(known_head=known | {"size": 12})) == "refused"
    assert agree(good, story.trust(known_head=known | {"size": 99})) == "refused"


CALM = ["", "2", "5.0", "5.0", "5.1", "7.9", "8"]
WILD = [*CALM, "1.99", "8.01", "12.5", "-3"]


def drawn_readings(dice: random.Random) -> bytes:
    """A history with gaps, doubles, both directions, doubtful sources and empty values."""
    rows, minute, values = [pack.CSV_HEADER], -20, dice.choice([CALM, WILD])
    while minute < 150:
        minute += dice.choice([0, 1, 5, 5, 10, 10, 17, 40])
        value = dice.choice(values)
        at = f"2026-11-{17 + (minute >= 0)}T{(minute // 60) % 24:02d}:{minute % 60:02d}:00Z"
        rows.append(f"{at},{value},good,{dice.choice(['signed_batch', 'signed_batch', 'plain_file'])},,")
    return ("\n".join(rows) + "\n").encode()


def claimed(content: bytes) -> dict[str, Any]:
    """What the first verifier's parts find in one sensor's readings, as a claim says it."""
    judged = judge_sensor("readings/s1.csv", memoryview(content), Profile.read(story.claim({})))
    out, open_ = length_us(judged.out), length_us(judged.open)
    found = [
        {"sensor": "s1", "start": _at(e.start), "direction": e.direction, "peak_c": e.peak_c, "minutes": e.out_us / 6e7}
        for e in judged.excursions
    ]
    verdict = "out_of_range" if judged.is_out else "not_proven" if open_ else "in_range_proven"
    minutes = {"in_range_min": 120 - open_ / 6e7, "out_of_range_min": out / 6e7, "not_proven_min": (open_ - out) / 6e7}
    return {"verdict": verdict, "excursions": found, **minutes}


def _at(at_us: int) -> str:
    return datetime.fromtimestamp(at_us / 1e6, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def test_evd_09_both_work_out_the_same_minutes_from_any_readings() -> None:
    """60 drawn histories: the claim of the one stands before the other, and a minute more does not."""
    dice, packs, right = random.Random(5), [], []
    for number in range(60):
        content = drawn_readings(dice)
        about = claimed(content)
        if number % 3 == 2:
            about["not_proven_min"] += 1
        files = {pack.readings_path("s1"): content}
        packs.append(pack.build_pack(story.members(files=files, about=about)))
        right.append(about["verdict"] if number % 3 != 2 else None)
    said = second_verdicts(packs, story.trust())
    assert [one["verdict"] for one in said] == right
    assert {"out_of_range", "not_proven"} <= set(right)
    assert verify_pack(packs[0], story.trust()).ok


def test_evd_08_five_hundred_flipped_bytes_are_refused_by_both_naming_the_same_member() -> None:
    """R7 asks for 10,000, which the soak runs."""
    assert both_refuse(flips(0, FLIPS), one_member=True) == FLIPS


def test_evd_08_bent_structures_are_refused_by_both() -> None:
    """Dropped, added, doubled, swapped, cut, moved members, with every list made to fit again."""
    assert both_refuse(structures(0, STRUCTURES), one_member=False) >= 50


def test_the_second_verifier_shares_nothing_with_the_first(tmp_path: Path) -> None:
    """It reads no Python, starts nothing and asks no network: only what Node itself brings."""
    text = "\n".join(p.read_text() for p in sorted((ROOT / "tools" / "verifier").glob("*.mjs")))
    assert set(re.findall(r'from "(\w[^"]*)"', text)) == {"node:crypto", "node:fs", "node:zlib"}
    (tmp_path / "p.zip").write_bytes(pack.build_pack(story.members()))
    (tmp_path / "t.json").write_text(json.dumps(story.trust()))
    words = [str(NODE), str(SCRIPT), str(tmp_path / "p.zip"), "--trust", str(tmp_path / "t.json")]
    assert subprocess.run(words, capture_output=True).returncode == 0
    (tmp_path / "p.zip").write_bytes(b"PK")
    assert subprocess.run(words, capture_output=True).returncode == 1
    (tmp_path / "t.json").write_text("{}")
    assert subprocess.run(words, capture_output=True).returncode == 2
