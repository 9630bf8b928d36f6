"""Signatures, notes and witnesses: the product's code, the stand-alone verifier and OpenSSL agree."""

from __future__ import annotations

import random
import subprocess
from base64 import b64decode, b64encode
from pathlib import Path

import pytest

from tests.rooms.evidence import pack_story as story
from waystation.evidence.rules import checkpoints, merkle, notes, proofs, signing, witness
from waystation.evidence.verifier.ed25519 import ORDER, ed25519_verifies
from waystation.kernel.refusals import BadInput, Conflict, NotAllowed, NotFound, NotReady, Refusal, Unavailable


def test_plain_python_agrees_with_the_library_on_good_and_mutated_signatures() -> None:
    """Ed25519 in the stand-alone verifier accepts and refuses what the library does."""
    dice = random.Random(3)
    for round_ in range(60):
        seed, message = dice.randbytes(32), dice.randbytes(dice.randrange(200))
        public, signature = signing.public_of(seed), signing.signer(seed)(message)
        assert ed25519_verifies(public, message, signature)
        parts = [bytearray(public), bytearray(message), bytearray(signature)]
        part = parts[round_ % 3] or parts[2]
        part[dice.randrange(len(part))] ^= 1 << dice.randrange(8)
        changed = tuple(bytes(p) for p in parts)
        assert ed25519_verifies(*changed) is signing.verifies(*changed) is False


def test_signatures_with_a_second_form_are_refused() -> None:
    """S plus the group order, a key of small order, a key that is no point, wrong lengths."""
    public, message = signing.public_of(story.seed("k")), b"m"
    good = signing.signer(story.seed("k"))(message)
    s = int.from_bytes(good[32:], "little")
    second = good[:32] + (s + ORDER).to_bytes(32, "little")
    small = bytes([1]) + bytes(31)
    nobody = (2**255 - 1).to_bytes(32, "little")
    for key, signature in (
        (public, second),
        (small, small + bytes(32)),
        (nobody, good),
        (public[1:], good),
        (public, good[1:]),
    ):
        assert not ed25519_verifies(key, message, signature)
        assert key == small or not signing.verifies(key, message, signature)


def test_evd_08_plain_openssl_verifies_the_checkpoint(tmp_path: Path) -> None:
    """No program of ours is needed for the log's signature: OpenSSL says yes to it, and no after an edit."""
    note = story.log_of(20).checkpoint().decode()
    text, _, lines = note.partition("\n\n")
    signature = b64decode(lines.split("\n")[0].split(" ")[2])[4:]
    public = bytes.fromhex("302a300506032b6570032100") + story.LOG.public
    (tmp_path / "key.der").write_bytes(public)
    (tmp_path / "signature").write_bytes(signature)
    words = [
        "openssl",
        "pkeyutl",
        "-verify",
        "-rawin",
        "-pubin",
        "-keyform",
        "DER",
        "-inkey",
        "key.der",
        "-sigfile",
        "signature",
        "-in",
        "text",
    ]
    for content, code in ((text + "\n", 0), (text.replace("\n20\n", "\n21\n") + "\n", 1)):
        (tmp_path / "text").write_text(content)
        assert subprocess.run(words, cwd=tmp_path, capture_output=True, check=False).returncode == code


@pytest.mark.parametrize(
    "text", ["+12", "1_0", " 12", "12 ", "٣", "012", "-1", "", "1e3", "0x1", "9223372036854775808", "12\n"]
)
def test_numbers_have_one_form(text: str) -> None:
    """What Python's int() would take, a log may not write."""
    with pytest.raises(BadInput):
        notes.number(text, "size")


@pytest.mark.parametrize("text", ["", "QQ", "QR==", "Q Q==", "QQ==\n", "Q-==", "QQ==QQ==", "é"])
def test_base64_has_one_form(text: str) -> None:
    """Noise, missing padding and loose trailing bits are refused."""
    with pytest.raises(BadInput):
        notes.base64_bytes(text, "hash")
    assert notes.base64_bytes("QQ==", "hash") == b"A"


@pytest.mark.parametrize("name", ["", "a b", "a+b", "a\u2003b", "a\tb"])
def test_key_names_have_no_space_and_no_plus(name: str) -> None:
    """A name that could be read as two things is no name."""
    assert not notes.is_name(name)
    with pytest.raises(BadInput):
        notes.parse_vkey(notes.VerifierKey(name, 1, story.LOG.public).vkey())


def test_a_key_of_another_kind_or_length_is_refused() -> None:
    """Types 1 and 4 with 32 bytes are known, nothing else."""
    for key in (notes.VerifierKey("a", 2, story.LOG.public), notes.VerifierKey("a", 1, b"short")):
        with pytest.raises(BadInput):
            notes.parse_vkey(key.vkey())


W = tuple(story.key(f"witness.example/{i}", notes.COSIGNATURE_V1) for i in range(3))


def cosigned(*names: notes.VerifierKey, log: story.Log | None = None) -> bytes:
    return (log or story.log_of(5)).checkpoint(witnesses=names)


def test_a_quorum_counts_different_witnesses() -> None:
    """Two of three: the same one twice, under two names, or one only is not enough."""
    policy = checkpoints.Policy(story.LOG, W, 2)
    opened = checkpoints.open_checkpoint(cosigned(W[0], W[2]), policy)
    assert [s.key.name for s in opened.witnesses] == [W[0].name, W[2].name]
    assert {s.time_s for s in opened.witnesses} == {1_795_000_000}
    twin = notes.VerifierKey("other.example", notes.COSIGNATURE_V1, W[0].public)
    text = notes.parse_note(cosigned(W[0])).text
    line = notes.cosign_note(text, twin, signing.signer(story.seed(W[0].name)), 5)
    for note in (cosigned(W[0]), cosigned(W[0], W[0]), checkpoints.add_signatures(cosigned(W[0]), [line])):
        with pytest.raises(NotReady):
            checkpoints.open_checkpoint(note, checkpoints.Policy(story.LOG, (*W, twin), 2))


def test_policies_that_make_no_sense_are_refused() -> None:
    """A log is not its own witness, kinds are not mixed, a quorum can be met."""
    twin = notes.VerifierKey("w", notes.COSIGNATURE_V1, W[0].public)
    own = notes.VerifierKey("w", notes.COSIGNATURE_V1, story.LOG.public)
    for log, witnesses, quorum in ((W[0], (), 0), (story.LOG, (story.LOG,), 0), (story.LOG, (own,), 0)):
        with pytest.raises(BadInput):
            checkpoints.Policy(log, witnesses, quorum)
    for several, needed in ((W, 4), (W, -1), ((W[0], twin), 2)):
        with pytest.raises(BadInput):
            checkpoints.Policy(story.LOG, several, needed)


def test_a_checkpoint_of_another_origin_or_an_impossible_empty_log_is_refused() -> None:
    """The origin line must be the log's, and the empty log has one root."""
    other = story.Log(origin="log.example/south")
    with pytest.raises(BadInput):
        checkpoints.open_checkpoint(other.checkpoint(witnesses=()), checkpoints.Policy(story.LOG))
    with pytest.raises(BadInput):
        checkpoints.parse_checkpoint(checkpoints.Checkpoint("a", checkpoints.Head(0, bytes(32))).text())
    extended = checkpoints.Checkpoint("a", story.log_of(3).head(), ("extra",))
    assert checkpoints.parse_checkpoint(extended.text()) == extended
    assert extended.head.line() == f"3 {b64encode(extended.head.root).decode()}"


def test_notes_with_too_much_or_too_little_are_refused() -> None:
    """Size, number and length of signatures are bounded; a note by strangers is not opened."""
    line = notes.NoteSignature("a", b"1234", b"5").line()
    for data in (
        b"x" * 1_000_001,
        ("t\n\n" + line * 101).encode(),
        b"t\n\n\xe2\x80\x94 a QUJDRA==\n",
        b"t\r\n\n" + line.encode(),
    ):
        with pytest.raises(BadInput):
            notes.parse_note(data)
    with pytest.raises(NotReady):
        notes.open_note(("t\n\n" + line).encode(), [story.LOG])


def test_proof_texts_have_bounds() -> None:
    """More hashes than any tree needs, or a missing header, is no proof."""
    proof = proofs.TlogProof(1, (bytes(32),) * 64, b"c\n", b"more")
    for text in (proof.text(), "c2sp.org/tlog-proof@v2\nindex 0\n\nc\n", "c2sp.org/tlog-proof@v1\n\nc\n"):
        with pytest.raises(BadInput):
            proofs.parse_proof(text)
    short = proofs.TlogProof(1, (bytes(32),) * 63, b"c\n", b"more")
    assert proofs.parse_proof(short.text()) == short


def talk(log: story.Log, known: dict[str, witness.KnownLog], old: int | None = None) -> witness.Answer:
    """The log asks the witness for a cosignature on its present head."""
    last = known[log.origin].head.size if old is None else old
    proof = merkle.consistency_proof(last, len(log.leaves), log.hash_at)
    answer = witness.add_checkpoint(witness.format_request(last, proof, log.checkpoint(witnesses=())), known)
    if answer.accepted:
        known[log.origin] = witness.KnownLog(known[log.origin].keys, answer.accepted.head)
    return answer


def test_evd_08_a_witness_follows_a_growing_log_and_no_other() -> None:
    """Growth is cosigned; a rewritten log is refused whatever proof it brings."""
    log, known = story.log_of(3), {story.ORIGIN: witness.KnownLog((story.LOG,))}
    for _ in range(5):
        assert talk(log, known).status == 200
        log.add("more", {})
        log.add("more", {})
    rewritten = story.log_of(30)
    rewritten.leaves[1] = b"{}"
    assert talk(rewritten, known).status == 422
    assert known[story.ORIGIN].head.size == 11


def test_a_witness_answers_what_it_cannot_read_with_400() -> None:
    """Too long, no old size, loose numbers, too many proof lines, foreign letters."""
    note = story.log_of(3).checkpoint(witnesses=())
    bodies = [b"", b"x" * 70_000, b"old 03\n\n" + note, b"new 3\n\n" + note, b"old 0\n\n", "öld 0\n\n".encode() + note]
    bodies.append(witness.format_request(0, [bytes(32)] * 64, note))
    for body in bodies:
        assert witness.add_checkpoint(body, {}).status == 400
    assert witness.add_checkpoint(witness.format_request(0, [bytes(32)] * 63, note), {}).status == 404
    broken = note.replace(b"\n3\n", b"\n4\n")
    known = {story.ORIGIN: witness.KnownLog((story.LOG,))}
    assert witness.add_checkpoint(witness.format_request(0, [], broken), known).status == 403


def test_the_log_reads_each_answer_of_a_witness() -> None:
    """The cosignature on success; otherwise a refusal that says what to do."""
    text = notes.parse_note(story.log_of(3).checkpoint()).text
    line = notes.cosign_note(text, W[0], signing.signer(story.seed(W[0].name)), 9)
    assert witness.read_answer(200, line.line(), text, W[0]) == line
    answers: list[tuple[int, str, type[Refusal]]] = [
        (409, "7\n", Conflict), (422, "", Conflict), (404, "", NotFound), (403, "", NotAllowed), (500, "", Unavailable),
        (200, "", BadInput), (200, line.line().replace("A", "B"), BadInput), (409, "+7\n", BadInput),
    ]  # fmt: skip
    for status, body, refusal in answers:
        with pytest.raises(refusal):
            witness.read_answer(status, body, text, W[0])
    with pytest.raises(BadInput):
        witness.read_answer(200, line.line(), text, W[1])
    assert witness.witness_size("7\n") == 7
