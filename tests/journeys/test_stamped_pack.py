"""Time-stamps by a real authority on the loopback: asked hourly and for each pack, verified by all, awaited by none."""

from __future__ import annotations

import io
import zipfile
from base64 import b64decode
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from django.test import override_settings

from tests.attacks.installation import bend
from tests.rooms.evidence.authority import KEYS, Authority
from tests.rooms.evidence.second import second_verdicts
from tests.rooms.spares.network import system
from tests.rooms.telemetry.samples import a_monitored_space, deliver, judge, minutes
from waystation import wiring
from waystation.cli.evidence import pinned
from waystation.evidence import placed, sequencer, stamps
from waystation.evidence.actions import NewEntry, record
from waystation.evidence.audit import check_logs
from waystation.evidence.models import Checkpoint, TimeStamp
from waystation.evidence.rules import pack
from waystation.evidence.verifier.stamp import Der, Stamp
from waystation.evidence.verifier.verify import verify_pack
from waystation.journeys import doctor, evidence_pack
from waystation.kernel.refusals import BadInput
from waystation.telemetry.engine import Engine

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)
NOW = datetime.now(UTC).replace(microsecond=0)
START = NOW - 4 * HOUR


@pytest.fixture(autouse=True)
def fridge(folder: Path) -> None:
    """A fridge that was in range."""
    space, (probe,) = a_monitored_space(START)
    deliver(space, minutes(probe, START, [5.0] * 130), START + 2 * HOUR)
    judge(Engine(), START + 2 * HOUR)


@pytest.fixture
def authority(folder: Path) -> Iterator[Authority]:
    """It answers on the loopback, and the settings name it."""
    made = Authority(folder / "tsa")
    with override_settings(TIME_STAMPER=made.start()):
        yield made
    made.end()


def _make(now: datetime = NOW) -> bytes:
    return evidence_pack.make(
        system(), "cordoba", START, START + 2 * HOUR, now=now, wait=lambda: None, stamper=wiring.time_stamper()
    )


def _members(data: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist() if name != "MANIFEST"}


def _again(members: dict[str, bytes]) -> bytes:
    return pack.archive({**members, pack.MANIFEST: pack.manifest(members)})


def _both(data: bytes, trust: dict[str, Any]) -> list[str]:
    """The members that both verifiers refuse; they must be the same."""
    first, (second,) = verify_pack(data, trust), second_verdicts([data], trust)
    refused = [r.member for r in first.refusals]
    assert refused == [r["member"] for r in second["refusals"]]
    return refused


def test_evd_08_a_pack_carries_a_time_stamp_that_three_programs_verify(authority: Authority) -> None:
    """Our verifier and the second one with the pinned certificate, OpenSSL with the authority's own."""
    data = _make()
    trust = placed.trust("iberia") | {"time_stampers": [authority.pinned]}
    assert _both(data, trust) == []
    report = verify_pack(data, trust)
    assert report.facts["time_stamp"]["vouched"]
    assert "An authority that you pinned stamped this head" in report.text()
    members = _members(data)
    text = members["checkpoint"].decode().partition("\n\n")[0] + "\n"
    assert authority.verifies(members["timestamp.tsr"], sha256(text.encode()).hexdigest())
    assert not authority.verifies(members["timestamp.tsr"], sha256(b"x").hexdigest())
    bare = verify_pack(data, placed.trust("iberia"))
    assert f"openssl ts -verify -digest {sha256(text.encode()).hexdigest()} -in timestamp.tsr" in bare.text()


def test_evd_08_a_bent_dropped_or_foreign_time_stamp_is_refused_by_name(authority: Authority, folder: Path) -> None:
    """By both verifiers, with every list made to fit again."""
    trust = placed.trust("iberia") | {"time_stampers": [authority.pinned]}
    members = _members(_make())
    stamp = members["timestamp.tsr"]
    for place in range(0, len(stamp), 29):
        bent = bytearray(stamp)
        bent[place] ^= 4
        named = _both(_again(members | {"timestamp.tsr": bytes(bent)}), trust)
        assert named in (["timestamp.tsr"], []), place  # bytes of the authority's own certificates prove nothing here
    other = authority.reply(stamps.request_for(b"another head\n"))
    assert _both(_again(members | {"timestamp.tsr": other}), trust) == ["timestamp.tsr"]
    assert _both(_again({n: c for n, c in members.items() if n != "timestamp.tsr"}), trust) == ["timestamp.tsr"]
    stranger = Authority(folder / "stranger")
    assert _both(_again(members), trust | {"time_stampers": [stranger.pinned]}) == ["timestamp.tsr"]


@pytest.mark.parametrize("kind", ["rsa", "p256"])
def test_evd_08_each_pinned_authority_is_tried_whatever_key_the_others_have(folder: Path, kind: str) -> None:
    """Keys of every kind, and bytes that are no certificate, before and behind the signer; by both verifiers."""
    others = [Authority(folder / f"other-{k}", k).pinned for k in KEYS] + ["AAAA", "MAA="]
    own = Authority(folder / "tsa", kind)
    with override_settings(TIME_STAMPER=own.start()):
        data = _make()
    own.end()
    for pins in ([*others, own.pinned], [own.pinned, *others], [own.pinned]):
        assert _both(data, placed.trust("iberia") | {"time_stampers": pins}) == []
    for pins in ([one] for one in others):
        assert _both(data, placed.trust("iberia") | {"time_stampers": pins}) == ["timestamp.tsr"]


def _der(tag: int, content: bytes) -> bytes:
    return bytes([tag, 0x84]) + len(content).to_bytes(4, "big") + content


@pytest.mark.parametrize(("depth", "named"), [(40, []), (80, ["timestamp.tsr"]), (20_000, ["timestamp.tsr"])])
def test_evd_08_a_time_stamp_that_is_nested_without_bound_is_refused(
    authority: Authority, depth: int, named: list[str]
) -> None:
    """Where nobody reads it, beside a good signature: both verifiers end at the same depth, and in words."""
    members = _members(_make())
    status, rest = (part.whole for part in Der.read(members["timestamp.tsr"]).parts())
    deep = b""
    for _ in range(depth):
        deep = _der(0x30, deep)
    bent = _der(0x30, _der(0x30, Der.read(status).content + deep) + rest)
    trust = placed.trust("iberia") | {"time_stampers": [authority.pinned]}
    assert _both(_again(members | {"timestamp.tsr": bent}), trust) == named


@pytest.mark.parametrize("kind", ["rsa", "p256", "p384"])
def test_the_plain_verifier_knows_the_keys_that_authorities_use(folder: Path, kind: str) -> None:
    """RSA, P-256, P-384: the right certificate vouches, another's, another time or a bent signature does not."""
    own, other = Authority(folder / kind, kind), Authority(folder / f"{kind}-2", kind)
    stamp = Stamp.read(own.reply(stamps.request_for(b"head\n")))
    mine, theirs = (b64decode(a.pinned) for a in (own, other))
    assert stamp.imprint == sha256(b"head\n").digest()
    assert stamp.is_by(mine)
    assert not stamp.is_by(theirs)
    assert not replace(stamp, at="2001-01-01T00:00:00Z").is_by(mine)
    bent = bytearray(stamp.signature)
    bent[-3] ^= 1
    assert not replace(stamp, signature=bytes(bent)).is_by(mine)
    assert not replace(stamp, attributes=stamp.attributes + b"\x00").is_by(mine)


def test_evd_08_an_authority_that_does_not_answer_stops_nothing_and_is_told(authority: Authority) -> None:
    """Hourly while it answers; then the pack is made, and claim, sentence and doctor say since when."""
    sequencer.run(NOW - 3 * HOUR)
    assert [stamps.ask_due(NOW - 3 * HOUR, wiring.time_stamper()) for _ in range(2)] == [1, 0]
    assert authority.asked == 1
    authority.end()
    record([], entry=NewEntry("test.made", "1", system(), NOW - 2 * HOUR, log="iberia"))
    sequencer.run(NOW - 2 * HOUR)
    data = _make()
    report = verify_pack(data, placed.trust("iberia"))
    assert report.ok, report.text()
    since = f"{NOW - 2 * HOUR:%Y-%m-%dT%H:%M:%SZ}"
    assert f"NOT TIME-STAMPED since {since}" in report.sentence()
    late = [f.words for f in doctor.findings(NOW) if f.code == "stamp.late"]
    assert any("does not answer" in words for words in late)
    with override_settings(TIME_STAMPER=""):
        assert wiring.time_stamper() is None
        assert stamps.ask_due(NOW, None) == 0
        assert stamps.standing("iberia", NOW).since is None


def test_evd_08_stamps_are_exchanged_through_a_folder(authority: Authority, folder: Path) -> None:
    """Somebody carries the question out and the answer in; asked again, the same question finds it."""
    sequencer.run(NOW)
    head = Checkpoint.objects.filter(log="iberia").order_by("-size")[0]
    with override_settings(TIME_STAMPER=f"folder:{folder / 'carry'}"):
        assert not stamps.ask("iberia", head, NOW, wiring.time_stamper())
        assert "waits in" in stamps.standing("iberia", NOW).trouble
        (question,) = (folder / "carry").glob("*.tsq")
        question.with_suffix(".tsr").write_bytes(authority.reply(question.read_bytes()))
        assert stamps.ask("iberia", head, NOW, wiring.time_stamper())
    assert TimeStamp.objects.get().size == head.size


def test_evd_08_off_line_one_head_is_asked_about_once_until_its_answer_comes(
    authority: Authority, folder: Path
) -> None:
    """The log goes on and the question is carried away: nothing else is put down, and the answer counts."""
    carry = folder / "carry"

    def asked(now: datetime) -> tuple[int, int]:
        record([], entry=NewEntry("test.made", "1", system(), now, log="iberia"))
        sequencer.run(now)
        return stamps.ask_due(now, wiring.time_stamper()), len(list(carry.glob("*.tsq")))

    with override_settings(TIME_STAMPER=f"folder:{carry}"):
        assert [asked(NOW - n * HOUR) for n in (3, 2, 1)] == [(0, 1)] * 3
        taken = {path: path.read_bytes() for path in carry.glob("*.tsq")}
        for path in taken:
            path.unlink()
        assert asked(NOW) == (0, 0)
        for path, question in taken.items():
            path.with_suffix(".tsr").write_bytes(authority.reply(question))
        assert asked(NOW + HOUR / 2) == (1, 0)
        assert asked(NOW + 2 * HOUR) == (0, 1)
    assert TimeStamp.objects.get(log="iberia").size < Checkpoint.objects.filter(log="iberia").latest("size").size


def test_evd_08_a_kept_stamp_that_was_moved_to_another_head_is_found(authority: Authority) -> None:
    """`evidence check` names the head; an entry dated before a stamp that precedes it is back-dated."""
    now = datetime.now(UTC)  # the authority stamps with the real clock, however long the run has lasted
    sequencer.run(now)
    record([], entry=NewEntry("test.made", "1", system(), now, log="iberia"))
    sequencer.run(now)
    first, second = Checkpoint.objects.filter(log="iberia").order_by("size")
    assert stamps.ask("iberia", first, now, wiring.time_stamper())
    assert check_logs() == []
    bend("UPDATE evidence_timestamp SET checkpoint_id = %s", second.pk)
    assert [f.code for f in check_logs()] == ["log.stamp"]


def test_what_is_no_answer_or_no_certificate_is_refused_in_words(folder: Path) -> None:
    """Neither a stamp of something else nor a file that is no certificate is taken."""
    sequencer.run(NOW)
    head = Checkpoint.objects.filter(log="iberia").order_by("-size")[0]
    other = Authority(folder / "other")

    class Wrong:
        name = "wrong"

        def __init__(self, answer: bytes) -> None:
            self.answer = answer

        def stamp(self, request: bytes) -> bytes:
            return self.answer

    for answer, words in (
        (b"", "gave no"),
        (b"\x30\x03\x02\x01\x02", "gave no"),
        (other.reply(stamps.request_for(b"x")), "something else"),
    ):
        assert not stamps.ask("iberia", head, NOW, Wrong(answer))
        assert words in stamps.standing("iberia", NOW).trouble
    with pytest.raises(BadInput, match="no certificate in PEM"):
        pinned(folder / "tsa.pem")
