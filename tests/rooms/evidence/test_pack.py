"""The evidence pack: it verifies, and nothing in it can be changed without the member being named."""

from __future__ import annotations

import ast
import io
import itertools
import json
import random
import re
import subprocess
import sys
import zipfile
from base64 import b64encode
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.rooms.evidence import pack_story as story
from tests.rooms.evidence.second import restructured
from waystation.cli import evidence as door
from waystation.cli.main import main
from waystation.evidence.rules import notes, pack
from waystation.evidence.verifier.one_file import PARTS, one_file
from waystation.evidence.verifier.strict import TrustError
from waystation.evidence.verifier.verify import Report, verify_pack
from waystation.kernel.refusals import BadInput

Members = dict[str, bytes]


def named(members: Members, trust: dict[str, Any] | None = None, rest: bytes = b"") -> list[str]:
    """The members that the verifier refuses; empty when the pack verifies."""
    report = verify_pack(pack.build_pack(members) + rest, trust or story.trust())
    assert report.ok != bool(report.refusals)
    return [refusal.member for refusal in report.refusals]


def owner_of(data: bytes) -> Callable[[int], str]:
    """Whose byte stands at an offset of an untouched archive: read by Python's own zip reader."""
    spans: list[tuple[int, int, str]] = []
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        at = archive.start_dir
        for info in archive.infolist():
            spans.append(
                (info.header_offset, info.header_offset + 30 + len(info.filename) + info.file_size, info.filename)
            )
            spans.append((at, at + 46 + len(info.filename), info.filename))
            at += 46 + len(info.filename)
    return lambda place: next((name for start, end, name in spans if start <= place < end), "archive")


def test_evd_09_a_pack_verifies_offline_and_says_what_it_proves() -> None:
    """The verdict in one sentence, what was proven, and what was not."""
    report = verify_pack(pack.build_pack(story.members()), story.trust())
    assert report.ok
    assert report.verdict == "in_range_proven"
    assert report.sentence().startswith(
        "VERIFIED. clinic, fridge 1, 2026-11-18T00:00:00Z to 2026-11-18T02:00:00Z: in range"
    )
    assert "on the conditions named below" in report.sentence()
    assert "Not checked: mapping" in report.not_proven
    assert report.facts["log"]["cosigned_by"] == ["witness.example/qa"]
    assert report.facts["log"]["size"] == 20
    assert "alarms.json: 1 records name no entry" in report.text()


def test_evd_09_an_excursion_is_verified_as_one() -> None:
    """A pack can prove that a space was out of range; verifying does not make it good."""
    files = {pack.readings_path("s1"): story.readings(story.WARM)}
    report = verify_pack(pack.build_pack(story.members(files=files, about=story.WARM_CLAIM)), story.trust())
    assert (report.ok, report.verdict, report.facts["out_of_range_min"]) == (True, "out_of_range", 20)
    assert "OUT OF RANGE" in report.sentence()


def test_evd_08_every_random_single_byte_flip_is_refused_and_named() -> None:
    """600 flips all over the archive: each is refused, and the member that owns the byte is the one named."""
    small_pack = flippable()
    for seed in range(FLIPS):
        flip(seed, *small_pack)


FLIPS, STRUCTURES = 600, 120


def flippable() -> tuple[bytes, Callable[[int], str]]:
    """A small pack, and whose byte stands where in it."""
    data = pack.build_pack(story.members(known=(5, 16)))
    return data, owner_of(data)


def flip(seed: int, data: bytes, owner: Callable[[int], str]) -> None:
    """One bit of one byte, two times in five within a header of the archive: refused, its member named."""
    dice = random.Random(seed)
    place = dice.randrange(len(data))
    if dice.random() < 0.4:
        headers = [m.start() for m in re.finditer(b"PK\x03\x04|PK\x01\x02|PK\x05\x06", data)]
        place = min(dice.choice(headers) + dice.randrange(60), len(data) - 1)
    changed = bytearray(data)
    changed[place] ^= 1 << dice.randrange(8)
    report = verify_pack(bytes(changed), story.trust())
    assert not report.ok, place
    assert [r.member for r in report.refusals] == [owner(place)], place


def test_evd_08_a_name_that_the_directory_lost_is_still_named() -> None:
    """The length of a name in the archive's directory made nothing: the member whose name it was is told."""
    data, owner = flippable()
    for place in (m.start() + 28 for m in re.finditer(b"PK\x01\x02", data)):
        changed = bytearray(data)
        changed[place] = 0
        report = verify_pack(bytes(changed), story.trust())
        assert [r.member for r in report.refusals] == [owner(place)], place


def test_evd_08_a_name_that_became_another_members_is_still_named() -> None:
    """One digit in the directory makes `19` into `18`, which is there too: the member that lost its name is told."""
    data, owner = flippable()
    start = data.rindex(b"proofs/19.tlog-proof")
    place = start + len("proofs/1")
    changed = bytearray(data)
    changed[place] ^= 1
    report = verify_pack(bytes(changed), story.trust())
    assert [r.member for r in report.refusals] == [owner(place)] == ["proofs/19.tlog-proof"]


def restructure(seed: int, whole: Members) -> None:
    """A pack whose members were dropped, added, swapped, cut, bent or moved, MANIFEST made to fit, is refused."""
    data = restructured(whole, seed)
    if data is not None:
        report = verify_pack(data, story.trust())
        assert not report.ok, seed
        assert report.refusals[0].member, seed


def test_evd_08_random_structural_changes_are_refused_and_a_member_is_named() -> None:
    """Dropped, added, swapped, cut, padded and moved members; this pack has none that may be left out."""
    whole = story.members()
    for seed in range(STRUCTURES):
        restructure(seed, whole)


def test_evd_08_every_member_is_named_when_one_of_its_bytes_changes_and_the_archive_is_made_anew() -> None:
    """With check sums and MANIFEST made to fit again, digests, proofs and signatures still tell."""
    whole, dice = story.members(known=(5, 16)), random.Random(11)
    for name, content in whole.items():
        for _ in range(12):
            changed = bytearray(content)
            changed[dice.randrange(len(content))] ^= 1 << dice.randrange(8)
            found = named({**whole, name: bytes(changed)})
            index = name.split("/")[-1].split(".")[0]
            twin = {f"entries/{index}.json", f"proofs/{index}.tlog-proof"}
            assert name in found or (name in twin and twin & set(found)), (name, found)


def test_evd_08_a_dropped_member_is_named() -> None:
    """Each member that may be left out of an archive is missed by the verifier."""
    whole = story.members()
    for name in whole:
        rest = {k: v for k, v in whole.items() if k != name}
        report = verify_pack(pack.archive({**rest, pack.MANIFEST: pack.manifest(rest)}), story.trust())
        index = name.split("/")[-1].split(".")[0]
        twin = {name, f"entries/{index}.json", f"proofs/{index}.tlog-proof"}
        if (
            name == "entries/18.json"
        ):  # the readings' own entry: the pack's entry names them too, so its proof is left alone
            twin = {"proofs/18.tlog-proof"}
        assert {r.member for r in report.refusals} & twin, name


def test_evd_08_swapped_members_are_named() -> None:
    """Two members with each other's content are refused, with a MANIFEST that fits."""
    whole = story.members(
        files={pack.readings_path(s): story.readings(story.STEADY[:n]) for s, n in (("a", 13), ("b", 12))},
        about={"verdict": "not_proven", "in_range_min": 110, "not_proven_min": 10},
    )
    assert named(whole) == []
    names = sorted(whole)
    for one, other in itertools.pairwise(names):
        if whole[one] != whole[other]:
            assert named({**whole, one: whole[other], other: whole[one]}), (one, other)


def test_evd_08_added_and_renamed_members_are_named() -> None:
    """Nothing rides along, and nothing goes under another name."""
    whole = story.members()
    assert named({**whole, "note.txt": b"hello"}) == ["note.txt"]
    assert named({**whole, "readings/s2.csv": story.readings(story.STEADY)}) == ["readings/s2.csv"]
    assert "entries/7.json" in named({**whole, "entries/7.json": whole["entries/3.json"]})
    renamed = {("readings/s9.csv" if name == "readings/s1.csv" else name): data for name, data in whole.items()}
    assert set(named(renamed)) == {"readings/s9.csv", "readings/s1.csv"}


def test_evd_08_the_archive_has_one_form_only() -> None:
    """Compressed, commented, re-dated, reordered, doubled, padded: refused."""
    data = pack.build_pack(story.members())
    contents = {
        info.filename: zipfile.ZipFile(io.BytesIO(data)).read(info)
        for info in zipfile.ZipFile(io.BytesIO(data)).infolist()
    }

    def again(method: int, names: list[str], comment: bytes = b"") -> bytes:
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", method) as archive:
            for name in names:
                archive.writestr(zipfile.ZipInfo(name), contents[name], method)
            archive.comment = comment
        return buffer.getvalue()

    names = sorted(contents)
    forms = [
        again(zipfile.ZIP_DEFLATED, names),
        again(zipfile.ZIP_STORED, names),
        again(zipfile.ZIP_STORED, names[::-1]),
    ]
    forms += [
        again(zipfile.ZIP_STORED, names, b"hi"),
        data + b"\n",
        b"\n" + data,
        data[:-1],
        data[:100],
        b"",
        data + data,
    ]
    for form in forms:
        report = verify_pack(form, story.trust())
        assert not report.ok
        assert report.refusals[0].member
    with pytest.warns(UserWarning, match="Duplicate"):
        assert not verify_pack(again(zipfile.ZIP_STORED, [*names, names[3]]), story.trust()).ok


def test_evd_08_a_manifest_that_lies_is_refused() -> None:
    """MANIFEST is checked against the members, line by line."""
    whole = story.members()
    right = pack.manifest(whole)
    for lie in (right[:-1], right + right, b"", right.replace(b"claim.json", b"claim.jsox"), right.upper()):
        report = verify_pack(pack.archive({**whole, pack.MANIFEST: lie}), story.trust())
        assert "MANIFEST" in [r.member for r in report.refusals]


@pytest.mark.parametrize(
    "lie",
    [
        {"verdict": "in_range_proven"},
        {"excursions": []},
        {"out_of_range_min": 0, "in_range_min": 120},
        {"profile": {"name": "v", "low_c": "2", "high_c": "12", "max_hold_s": 900}},
        {"profile": {"name": "v", "low_c": "2", "high_c": "8", "max_hold_s": 90000}},
        {"from": "2026-11-18T00:40:00Z"},
        {"source_classes": []},
        {"not_proven": [{"reason": "calibration expired"}]},
        {"conditional": False},
        {"verdict": None},
        {"in_range_min": True},
        {"readings": []},
        {"site": ""},
    ],
)
def test_evd_08_a_claim_that_its_readings_do_not_bear_out_is_refused(lie: dict[str, Any]) -> None:
    """Even logged, signed and cosigned, a claim that differs from its own readings is refused."""
    files = {pack.readings_path("s1"): story.readings(story.WARM)}
    logged = story.members(files=files, about={**story.WARM_CLAIM, **lie})
    assert named(logged) in (["claim.json"], ["readings/s1.csv"])


def test_evd_08_an_edited_claim_is_refused_although_it_fits_the_manifest() -> None:
    """A claim that was not logged is not this log's claim."""
    whole = story.members()
    edited = whole["claim.json"].replace(b"clinic", b"castle")
    assert named({**whole, "claim.json": edited}) == ["claim.json"]


def test_evd_08_a_proof_from_another_pack_is_refused() -> None:
    """An older pack's entry, proof or checkpoint does not serve a newer one."""
    old = story.members(log=story.log_of(12))
    new = story.members()
    assert named({**new, "proofs/3.tlog-proof": old["proofs/3.tlog-proof"]}) == ["proofs/3.tlog-proof"]
    replayed = named({**new, "checkpoint": old["checkpoint"]})
    assert replayed
    assert all(name.startswith("proofs/") for name in replayed)


def test_evd_08_only_the_auditors_keys_count() -> None:
    """Another log key, another witness key, a witness left out, a quorum not met: refused."""
    whole, stranger = story.members(), story.key("log.example/north2")
    other = notes.VerifierKey(story.ORIGIN, 1, stranger.public)
    w2 = story.key("witness.example/two", notes.COSIGNATURE_V1)
    assert named(whole, story.trust(log={"origin": story.ORIGIN, "vkey": other.vkey()})) == ["policy.json"]
    assert named(whole, story.trust(log={"origin": "other", "vkey": story.LOG.vkey()})) == ["policy.json"]
    assert named(whole, story.trust(witnesses=[w2.vkey()])) == ["policy.json"]
    assert named(story.members(witnesses=()), story.trust()) == ["checkpoint"]


def test_evd_08_without_a_witness_the_result_says_so_loudly() -> None:
    """A quorum of nobody is verified and is marked unwitnessed in the sentence itself."""
    report = verify_pack(pack.build_pack(story.members(witnesses=())), story.trust(quorum=0))
    assert report.ok
    assert report.unwitnessed
    assert "UNWITNESSED" in report.sentence()
    assert any("UNWITNESSED" in line for line in report.not_proven)


def known(log: story.Log, size: int) -> dict[str, Any]:
    return {"size": size, "root": b64encode(log.head(size).root).decode()}


def test_evd_08_a_rolled_back_or_rewritten_log_is_refused() -> None:
    """The head that the auditor holds must be continued, and the pack must show it."""
    longer, rewritten = story.log_of(40), story.log_of(5)
    rewritten.leaves[2] = b'{"kind":"another"}'
    log = story.log_of(18)
    whole = story.members(log=log, known=tuple(range(1, 20)))
    for size in range(1, 21):
        assert named(whole, story.trust(known_head=known(log, size))) == [], size
    assert named(whole, story.trust(known_head=known(longer, 40))) == ["checkpoint"]
    assert named(whole, story.trust(known_head=known(rewritten, 5))) == ["checkpoint"]
    assert named(whole, story.trust(known_head=known(longer, 20))) == ["checkpoint"]
    assert named(story.members(), story.trust(known_head=known(log, 5))) == ["consistency.json"]


def test_evd_08_a_record_may_not_contradict_its_entry() -> None:
    """What a record and its log entry both say must be the same, and the entry must be in the pack."""
    for record in ({"entry": 3, "kind": "alarms.raised"}, {"entry": 4}, {"entry": True}, {"entry": "3"}):
        whole, log = story.members(), story.log_of(18)
        bound = {k: v for k, v in whole.items() if not k.startswith(("entries/", "proofs/")) and k != "checkpoint"}
        bound["story.json"] = json.dumps([record]).encode()
        made = log.add(pack.PACK_MADE, pack.pack_made_facts(bound))
        bound["checkpoint"] = log.checkpoint()
        for index in (3, made):
            bound[pack.entry_path(index)], bound[pack.proof_path(index)] = (
                log.leaves[index],
                log.proof(index, bound["checkpoint"]),
            )
        assert "story.json" in named(bound), record


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        [],
        story.trust(schema="waystation.trust/2"),
        story.trust(quorum=2),
        story.trust(quorum=True),
        story.trust(witnesses=[story.LOG.vkey()]),
        story.trust(witnesses=[story.WITNESS.vkey(), story.WITNESS.vkey()], quorum=2),
        story.trust(log={"origin": story.ORIGIN, "vkey": story.LOG.vkey()[:-4] + "AAA="}),
        story.trust(known_head={"size": -1, "root": ""}),
    ],
)
def test_a_trust_file_that_cannot_be_used_is_not_guessed_at(wrong: Any) -> None:
    """No pack is judged by keys that make no sense."""
    with pytest.raises(TrustError):
        verify_pack(pack.build_pack(story.members()), wrong)


def alone(tmp_path: Path, data: bytes) -> tuple[int, dict[str, Any]]:
    """What the pack's own verify.py says, run by a bare Python that sees no installed package."""
    (tmp_path / "p.zip").write_bytes(data)
    (tmp_path / "t.json").write_text(json.dumps(story.trust()))
    (tmp_path / "verify.py").write_bytes(one_file())
    words = [sys.executable, "-I", "-S", "verify.py", "p.zip", "--trust", "t.json", "--json"]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert done.stderr == ""
    return done.returncode, json.loads(done.stdout)


def test_evd_09_the_packs_own_verifier_says_the_same_as_the_product(tmp_path: Path) -> None:
    """One file, bare Python, no installation: the same report for good and bad packs."""
    good = pack.build_pack(story.members())
    bad = {**story.members(), "claim.json": b"{}"}
    for data, code in ((good, 0), (pack.build_pack(bad), 1), (good[:-1], 1)):
        same: Report = verify_pack(data, story.trust())
        assert alone(tmp_path, data) == (code, same.as_dict())


def test_the_one_file_is_plain_python_3_9_and_has_no_name_twice() -> None:
    """Joining the parts loses nothing: every part is there once, and only the standard library is imported."""
    tree = ast.parse(one_file(), feature_version=(3, 9))
    names = [n.name for n in tree.body if isinstance(n, ast.FunctionDef | ast.ClassDef)]
    names += [t.id for n in tree.body if isinstance(n, ast.Assign) for t in n.targets if isinstance(t, ast.Name)]
    assert len(names) == len(set(names))
    roots = {n.module for n in tree.body if isinstance(n, ast.ImportFrom)}
    roots |= {a.name for n in tree.body if isinstance(n, ast.Import) for a in n.names}
    assert {str(r).split(".")[0] for r in roots} <= {*sys.stdlib_module_names}
    folder = Path(one_file.__code__.co_filename).parent
    assert {p.stem for p in folder.glob("*.py")} == {*PARTS, "one_file", "__init__"}


def test_evd_09_the_command_answers_with_its_exit_code(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """0 verified, 1 refused, 2 when a file cannot be used; the report is for people or for programs."""
    good, bad, keys = tmp_path / "p.zip", tmp_path / "bad.zip", tmp_path / "t.json"
    good.write_bytes(pack.build_pack(story.members()))
    bad.write_bytes(good.read_bytes()[:-1])
    keys.write_text(json.dumps(story.trust()))
    assert main(["evidence", "verify", str(good), "--trust", str(keys)]) == 0
    assert capsys.readouterr().out.startswith("VERIFIED. clinic")
    assert main(["evidence", "verify", str(bad), "--trust", str(keys), "--json"]) == 1
    shown = json.loads(capsys.readouterr().out)
    assert (shown["schema"], shown["verified"], shown["verdict"]) == ("waystation.verification/1", False, None)
    assert shown["refusals"] == [{"member": "archive", "reason": shown["refusals"][0]["reason"]}]
    assert main(["evidence", "verify", str(tmp_path / "none"), "--trust", str(keys)]) == 2
    assert main(["evidence", "verify", str(good), "--trust", str(good)]) == 2
    assert main(["evidence"]) == 2
    capsys.readouterr()
    assert main(["evidence", "verifier"]) == 0
    assert capsys.readouterr().out.encode() == one_file()
    assert door.HELP


def test_a_pack_is_the_same_bytes_every_time_and_any_zip_reader_opens_it() -> None:
    """Order of making does not matter; Python's own reader finds every member whole."""
    whole = story.members()
    data = pack.build_pack(whole)
    assert data == pack.build_pack(dict(reversed(whole.items())))
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.testzip() is None
        assert {n: archive.read(n) for n in archive.namelist()} == {**whole, "MANIFEST": pack.manifest(whole)}


@pytest.mark.parametrize("name", ["../x", "/x", "a/b/c", "MANIFEST", "", "a b", "é"])
def test_a_member_with_an_unfit_name_is_not_packed(name: str) -> None:
    """The builder refuses what the verifier would."""
    with pytest.raises(BadInput):
        pack.build_pack({**story.members(), name: b""})


def test_a_pack_without_a_claim_is_not_made() -> None:
    """Every required member is demanded by name."""
    for name in pack.REQUIRED:
        with pytest.raises(BadInput, match=name):
            pack.build_pack({k: v for k, v in story.members().items() if k != name})
    with pytest.raises(BadInput, match="claim"):
        pack.pack_made_facts({})


junk = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)
CLAIM_KEYS = sorted(story.claim({}))


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(CLAIM_KEYS), junk)
def test_evd_08_a_claim_of_nonsense_is_refused_and_never_breaks_the_verifier(name: str, value: Any) -> None:
    """Even when the log vouches for it: whatever stands in a member of the claim, the answer is a report."""
    report = verify_pack(pack.build_pack(story.members(about={name: value})), story.trust())
    texts = ("site", "network", "schema")
    harmless = name in texts and isinstance(value, str) and bool(value)
    lists = name in ("spaces", "source_classes", "not_checked", "not_proven", "excursions") and value == []
    number = isinstance(value, int | float) and not isinstance(value, bool)
    same = (number and min(abs(value), abs(value - 120)) <= 0.001) or (name == "conditional" and value is True)
    fine = (
        name in ("spaces", "not_checked") and isinstance(value, list) and all(isinstance(v, str) and v for v in value)
    )
    assert (
        harmless
        or lists
        or same
        or fine
        or [r.member for r in report.refusals] in (["claim.json"], ["readings/s1.csv"])
    )
    assert report.text()


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(["policy.json", "consistency.json", "claim.json", "story.json"]), junk)
def test_evd_08_members_of_nonsense_never_break_the_verifier(name: str, value: Any) -> None:
    """Any JSON in place of a member is refused under that member's name."""
    members = {**story.members(known=(5,)), name: json.dumps(value).encode()}
    assert name in named(members) or value == []


def relogged(bound: Members, facts: dict[str, Any]) -> Members:
    """The bound members with a fresh log whose last entry carries these facts."""
    log = story.log_of(18)
    made = log.add(pack.PACK_MADE, facts)
    whole = {**bound, "checkpoint": log.checkpoint()}
    for index in (3, made):
        whole[pack.entry_path(index)] = log.leaves[index]
        whole[pack.proof_path(index)] = log.proof(index, whole["checkpoint"])
    return whole


def test_evd_08_readings_that_no_entry_names_are_refused() -> None:
    """The pack's own entry may leave the readings to their own entries, but somebody must vouch for them."""
    bound = {
        k: v for k, v in story.members().items() if not k.startswith(("entries/", "proofs/")) and k != "checkpoint"
    }
    assert named(relogged(bound, pack.pack_made_facts(bound))) == []
    assert named(relogged(bound, pack.pack_made_facts(bound, with_readings=False))) == ["readings/s1.csv"]
    odd = {**pack.pack_made_facts(bound), "members": {"claim.json": ["x"], "lost.json": "00"}}
    assert set(named(relogged(bound, odd))) >= {
        "claim.json",
        "policy.json",
        "verify.py",
        "lost.json",
        "readings/s1.csv",
    }
    assert "claim.json" in named(relogged(bound, {**odd, "members": "none"}))
    assert named(relogged(bound, {"claim_sha256": "00", "members": {}})) == ["claim.json"]


def test_a_report_shows_no_control_characters() -> None:
    """A site's name cannot paint over the auditor's screen."""
    report = verify_pack(pack.build_pack(story.members(about={"site": "cl\x1b[2Jinic\n"})), story.trust())
    assert report.ok
    assert "\x1b" not in report.text()
    assert "cl?[2Jinic" in report.text()
