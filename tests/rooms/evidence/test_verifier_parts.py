"""The stand-alone verifier's own code, part by part: a second implementation that must agree with the first."""

from __future__ import annotations

import json
import random
import struct
from base64 import b64decode, b64encode
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.rooms.evidence import pack_story as story
from tests.rooms.evidence.test_vectors import Case, cases
from waystation.evidence.rules import checkpoints, merkle, notes, pack, signing
from waystation.evidence.verifier import archive, strict, verify
from waystation.evidence.verifier.log import check_continuity, check_entry, tree_roots
from waystation.evidence.verifier.strict import Refused, base64_bytes, instant, number, read_json, real
from waystation.evidence.verifier.trust import Head, Key, Trust, check_checkpoint, read_trust
from waystation.evidence.verifier.verdict import read_rows
from waystation.kernel.refusals import TooMuch


def view(**members: bytes) -> strict.Members:
    return {name: memoryview(content) for name, content in members.items()}


def accepts(check: Any, *args: Any) -> str:
    """The verifier's answer in the words of the vectors."""
    try:
        return "reject" if check(*args) is False else "accept"
    except (Refused, ValueError):
        return "reject"


def trust_of(case: Case) -> Trust:
    witnesses = tuple(Key.read(text, 4) for text in case["witness_vkeys"])
    log = Key.read(case["log_vkey"], 1)
    return Trust(log.name, log, witnesses, case["policy"]["witness_quorum"])


def opened(case: Case) -> Head:
    trust = trust_of(case)
    return check_checkpoint(view(checkpoint=case["checkpoint"].encode()), trust, trust)


def included(case: Case) -> bool:
    index, size = case["leaf_index"], case["tree_size"]
    path = [b64decode(item) for item in case["proof"]]
    fits = 0 <= index < size and len(b64decode(case["root"])) == 32 and all(len(node) == 32 for node in path)
    return fits and tree_roots(index, size - 1, b64decode(case["leaf_hash"]), path)[1] == b64decode(case["root"])


def proved(case: Case) -> None:
    trust, text = trust_of(case), case["proof_text"]
    index, checkpoint = text.split("\n")[1].split(" ")[1], text.partition("\n\n")[2].encode()
    members = view(checkpoint=checkpoint)
    head = check_checkpoint(members, trust, trust)
    members[f"entries/{index}.json"] = memoryview(b64decode(case["leaf_b64"]))
    members[f"proofs/{index}.tlog-proof"] = memoryview(text.encode())
    try:
        check_entry(members, int(index), head)
    except Refused as refusal:
        if "is not strict JSON" not in refusal.reason:  # the vectors' entries are no JSON: all else was verified
            raise


def test_evd_08_the_verifier_answers_the_published_cases_too() -> None:
    """Checkpoints, inclusion, proofs with entries and keys: both implementations agree with the vectors."""
    families: dict[str, Any] = {
        "checkpoints": opened,
        "inclusion": included,
        "tlog_proofs": proved,
        "vkey": lambda case: Key.read(case["vkey"], case.get("type", 1)),
    }
    for family, check in families.items():
        assert [c["id"] for c in cases(family) if accepts(check, c) != c["expect"]] == [], family


def continued(case: Case) -> str:
    value = {"proofs": [{"hashes": case["proof"], "root": case["root1"], "size": case["size1"]}]}
    text = json.dumps({**value, "schema": pack.CONSISTENCY_SCHEMA}, separators=(",", ":"))
    key = Key(story.LOG.name, story.LOG.key_id, 1, story.LOG.public)
    trust = Trust(story.ORIGIN, key, (), 0, (case["size1"], b64decode(case["root1"])))
    head = Head(case["size2"], b64decode(case["root2"]), ())
    return check_continuity(view(**{"consistency.json": text.encode()}), trust, head)


def test_evd_08_the_verifier_answers_the_published_growths_too() -> None:
    """Every consistency case between two different sizes; equal sizes need no proof and are told apart by root."""
    found = [c for c in cases("consistency") if 0 < c["size1"] < c["size2"]]
    assert [c["id"] for c in found if accepts(continued, c) != c["expect"]] == []


@given(st.integers(1, 60), st.integers(1, 60))
def test_both_implementations_agree_on_growth(one: int, other: int) -> None:
    """Whatever the sizes, the path made by the rules is accepted by the verifier, and not for another root."""
    old, new = sorted((one, other))
    log = story.log_of(new)
    hashes = merkle.consistency_proof(old, new, log.hash_at)
    case = {"proof": [b64encode(node).decode() for node in hashes], "size1": old, "size2": new}
    roots = {"root1": b64encode(log.head(old).root).decode(), "root2": b64encode(log.head().root).decode()}
    if old < new:
        assert continued({**case, **roots}) == f"The log continues the head of {old} entries that you know."
        assert accepts(continued, {**case, **roots, "root1": b64encode(bytes(32)).decode()}) == "reject"


SIGNER = signing.signer(story.seed(story.ORIGIN))


def own_trust(quorum: int = 1) -> Trust:
    return read_trust(story.trust(quorum=quorum))


def test_evd_08_a_checkpoint_with_a_loose_line_is_refused() -> None:
    """No line by a stranger, none twice, none broken, none missing; the pack's checkpoint holds what was verified."""
    trust, good = own_trust(), story.log_of(9).checkpoint().decode()
    head = check_checkpoint(view(checkpoint=good.encode()), trust, trust)
    assert (head.size, head.cosigned) == (9, ("witness.example/qa",))
    text, _, lines = good.partition("\n\n")
    log_line, witness_line = lines.splitlines(keepends=True)
    stranger = notes.sign_note(text + "\n", story.key("nobody"), signing.signer(story.seed("nobody"))).line()
    start = text + "\n\n"
    loose = [
        good + stranger,
        good + log_line,
        good + witness_line,
        good[:-1],
        good + "\n",
        start + witness_line,
        start + log_line,
        start,
        text,
        "",
        good.replace("\n9\n", "\n09\n"),
        good.replace("\n9\n", "\n٩\n"),
        good.replace("\n9\n", "\n9\n\n"),
        good.replace("— log", "- log"),
        good.replace(text, text + "\nmore"),
        good.replace("\n", "\r\n"),
        start + log_line.replace(" log", "  log") + witness_line,
    ]
    for note in loose:
        with pytest.raises(Refused, match=r"checkpoint|witnesses"):
            check_checkpoint(view(checkpoint=note.encode()), trust, trust)
    with pytest.raises(Refused):
        check_checkpoint(view(checkpoint=good.encode("utf-16")), trust, trust)


def test_a_checkpoint_may_carry_extension_lines() -> None:
    """What the log signed beside its head is signed with it."""
    head = story.log_of(9).head()
    note = checkpoints.sign_checkpoint(checkpoints.Checkpoint(story.ORIGIN, head, ("more",)), story.LOG, SIGNER)
    assert check_checkpoint(view(checkpoint=note), own_trust(0), own_trust(0)).size == 9


def test_evd_08_a_checkpoint_of_another_log_is_refused() -> None:
    """The origin line counts, not only the key."""
    head = story.log_of(9).head()
    note = checkpoints.sign_checkpoint(checkpoints.Checkpoint("log.example/south", head), story.LOG, SIGNER)
    with pytest.raises(Refused, match="not signed, once, by the log"):
        check_checkpoint(view(checkpoint=note), own_trust(0), own_trust(0))


@pytest.mark.parametrize(
    "text",
    [
        b'{"a":1,"a":2}',
        b'{"a":NaN}',
        b"[Infinity]",
        b"{",
        b"",
        b"\xff",
        b"[" * 100_000,
        b"3",
        b"null",
    ],
)
def test_evd_08_json_that_can_be_read_in_two_ways_is_refused(text: bytes) -> None:
    """A name twice, numbers that are none, nesting without end, another kind of value."""
    with pytest.raises(Refused, match="a"):
        read_json(view(a=text), "a", dict)


@pytest.mark.parametrize("text", ["+1", "01", "1_0", " 1", "١", "", "1.0"])
def test_a_number_has_one_form(text: str) -> None:
    """Nothing that int() alone would take."""
    with pytest.raises(ValueError, match="number"):
        number(text)


@pytest.mark.parametrize("text", ["QR==", "Q", "Q Q=", "QQ=", "é"])
def test_base64_has_one_form(text: str) -> None:
    """Nothing that b64decode() alone would take."""
    with pytest.raises(ValueError, match=r"."):
        base64_bytes(text)
    with pytest.raises(ValueError, match="right length"):
        base64_bytes("QQ==", 2)


@pytest.mark.parametrize("value", [True, None, "1_0", "nan", "inf", float("nan"), 1e10, "+1", "", [], "1e3", " 1"])
def test_a_real_number_is_finite_and_plain(value: object) -> None:
    """Limits and minutes are numbers or plain decimal text."""
    with pytest.raises(ValueError, match="usable"):
        real(value)
    assert (real("-2.50"), real(8), real(0.5)) == (-2.5, 8.0, 0.5)


@pytest.mark.parametrize(
    "text", [None, 5, "2026-11-18", "2026-11-18T00:00:00", "2026-11-18T00:00:00.1Z", "2026-02-30T00:00:00Z"]
)
def test_an_instant_is_utc_and_exists(text: object) -> None:
    """RFC 3339 with Z, with six decimals or none."""
    with pytest.raises(ValueError, match=r"."):
        instant(text)
    assert instant("1970-01-01T00:00:01Z") == 1_000_000
    assert instant("2026-11-18T00:00:00.000001Z") - instant("2026-11-18T00:00:00Z") == 1


def test_tree_paths_of_the_wrong_length_are_refused() -> None:
    """Neither a path that ends below the root nor one that goes above it."""
    with pytest.raises(ValueError, match="short"):
        tree_roots(0, 3, bytes(32), [bytes(32)])
    with pytest.raises(ValueError, match="long"):
        tree_roots(0, 1, bytes(32), [bytes(32)] * 2)


def blamed(data: bytes) -> str:
    with pytest.raises(Refused) as caught:
        archive.read_archive(data)
    return caught.value.member


def test_evd_08_the_archive_is_blamed_where_no_member_is() -> None:
    """Truncation, a foreign file, an empty file: refused, never a crash."""
    data = pack.build_pack(story.members())
    for cut in range(0, len(data), 997):
        assert blamed(data[:cut])
    for junk in (b"", b"PK\x03\x04", b"PK\x05\x06", b"PK\x05\x06" + bytes(18) + b"x", bytes(5000), b"PK\x03\x04" * 300):
        assert blamed(junk)


def test_evd_08_a_member_in_the_wrong_place_is_named() -> None:
    """Two whole members changed about in the archive, with a directory that fits."""
    one, two = pack.archive({"checkpoint": b"1"}), pack.archive({"MANIFEST": b"2"})
    bodies = [data[: data.index(b"PK\x01\x02")] for data in (one, two)]
    assert blamed(bodies[0] + bodies[1]) == "MANIFEST"
    assert blamed(bodies[1] + bodies[1]) == "MANIFEST"


def test_evd_08_a_member_listed_and_not_there_is_named() -> None:
    """A third name in the directory of two members, at a place where nothing starts."""
    data = pack.archive({"MANIFEST": b"a", "checkpoint": b"b"})
    end = data.rindex(b"PK\x05\x06")
    ghost = b"PK\x01\x02" + bytes(24) + struct.pack("<H", 10) + bytes(12) + struct.pack("<I", 7) + b"claim.json"
    assert blamed(data[:end] + ghost + data[end:]) == "claim.json"
    start = data.index(b"PK\x01\x02")
    assert blamed(data[: start - 1] + data[start:])


def test_evd_08_a_member_changed_under_an_old_manifest_is_named() -> None:
    """Every member but MANIFEST, with the archive made anew around it."""
    whole = story.members(known=(5,))
    listed = pack.manifest(whole)
    for name, content in whole.items():
        changed = {**whole, name: content + b" ", pack.MANIFEST: listed}
        report = verify.verify_pack(pack.archive(changed), story.trust())
        assert [r.member for r in report.refusals] == [name, "MANIFEST"]


def test_evd_08_continuity_has_one_form() -> None:
    """Another schema, order, space or member in consistency.json, and a proof from the pack's own size, are refused."""
    whole = story.members(known=(5, 7))
    text = whole[pack.CONSISTENCY]
    same = json.dumps({"proofs": [{"hashes": [], "root": b64encode(bytes(32)).decode(), "size": 20}], "schema": ""})
    others = [text + b"\n", text.replace(b"/1", b"/2"), text.replace(b'"size":5', b'"size":5,"x":1'), same.encode()]
    others += [text.replace(b'"size":5', b'"size":6'), text.replace(b'"size":5', b'"size":-5'), b"{}", b'{"proofs":3}']
    for other in others:
        report = verify.verify_pack(pack.build_pack({**whole, pack.CONSISTENCY: other}), story.trust())
        assert [r.member for r in report.refusals] == [pack.CONSISTENCY], other


def test_evd_08_random_structural_mutations_are_refused() -> None:
    """Members dropped, doubled, swapped, cut, joined, emptied, in any mixture, with a MANIFEST that fits."""
    whole, dice = story.members(known=(5,)), random.Random(5)
    names = sorted(whole)
    for _ in range(250):
        changed = dict(whole)
        for _ in range(dice.randrange(1, 4)):
            mutate(changed, dice.choice(names), dice.choice(names), dice)
        spare = {
            "consistency.json",
            "entries/18.json",
            "proofs/18.tlog-proof",
        }  # true but not needed
        if all(changed.get(name) == whole[name] for name in names if name not in spare) and len(changed) <= len(whole):
            continue
        report = verify.verify_pack(pack.archive({**changed, pack.MANIFEST: pack.manifest(changed)}), story.trust())
        assert not report.ok
        assert all(r.member and r.reason for r in report.refusals)


def mutate(members: dict[str, bytes], one: str, other: str, dice: random.Random) -> None:
    a, b = members.get(one, b""), members.get(other, b"")
    kind = dice.randrange(6)
    if kind == 0:
        members.pop(one, None)
    elif kind == 1:
        members[one], members[other] = b, a
    elif kind == 2:
        members[one] = a[: len(a) // 2]
    elif kind == 3:
        members[one] = a + b
    elif kind == 4:
        members["entries/11.json"], members["proofs/11.tlog-proof"] = a, b
    else:
        members["readings/extra.csv"] = a


def test_microseconds_in_readings_are_kept() -> None:
    """A reading at a fraction of a second is at that fraction."""
    rows = "2026-11-18T00:00:00.250000Z,5,good,c,1,1\n2026-11-18T00:00:01Z,,good,c,1,2\n"
    content = memoryview(f"{pack.CSV_HEADER}\n{rows}".encode())
    assert [at % 1_000_000 for at, _, _ in read_rows("x", content)] == [250_000]


def test_the_main_door_of_the_one_file_answers(tmp_path: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """The same words on the command line as in the product."""
    (tmp_path / "p.zip").write_bytes(pack.build_pack(story.members()))
    (tmp_path / "t.json").write_text(json.dumps(story.trust()))
    assert verify.main([str(tmp_path / "p.zip"), "--trust", str(tmp_path / "t.json")]) == 0
    assert capsys.readouterr().out.startswith("VERIFIED.")
    (tmp_path / "t.json").write_text("[" * 100_000)
    assert verify.main([str(tmp_path / "p.zip"), "--trust", str(tmp_path / "t.json")]) == 2
    assert "next:" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        verify.main([])


def test_evd_08_a_claim_lists_each_file_once_and_as_it_is() -> None:
    """Listed twice, under another sensor, or with another digest: refused."""
    files = {"readings/s1.csv": story.readings(story.STEADY)}
    item = story.claim(files)["readings"][0]
    wrong = [
        [item, item],
        [{**item, "sensor": "s2"}],
        [{**item, "sha256": "00"}],
        [{**item, "path": "readings/s2.csv"}],
    ]
    for listed in wrong:
        report = verify.verify_pack(
            pack.build_pack(story.members(files=files, about={"readings": listed})), story.trust()
        )
        assert report.refusals
        assert not report.ok


def test_evd_08_an_excursion_told_otherwise_is_refused() -> None:
    """Sensor, start, direction, peak and minutes must each be what the readings say."""
    files = {"readings/s1.csv": story.readings(story.WARM)}
    told: Any = story.WARM_CLAIM["excursions"]
    right: dict[str, Any] = told[0]
    changes: list[dict[str, Any]] = [
        {"sensor": "s2"},
        {"start": story.START},
        {"direction": "low"},
        {"peak_c": 9.9},
        {"minutes": 19},
        {},
    ]
    for change in changes:
        about: dict[str, Any] = {**story.WARM_CLAIM, "excursions": [{**right, **change}]}
        report = verify.verify_pack(pack.build_pack(story.members(files=files, about=about)), story.trust())
        assert report.ok is (not change), change
        assert [r.member for r in report.refusals] == (["claim.json"] if change else [])


def test_a_pack_too_large_for_one_archive_is_not_made() -> None:
    """More members than the format counts."""
    with pytest.raises(TooMuch):
        pack.archive({f"entries/{i}.json": b"" for i in range(65_535)})
