"""The evidence pack from the product's own tables: judge and verifier agree, nothing in it can be changed unseen."""

from __future__ import annotations

import io
import json
import random
import subprocess
import sys
import zipfile
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from tests.conftest import START
from tests.rooms.evidence.second import second_verdicts
from tests.rooms.spares.network import a_hub, a_lane, a_need, a_unit, system
from tests.rooms.telemetry.samples import a_monitored_space, deliver, judge, minutes
from tests.samples import a_profile
from waystation import wiring
from waystation.alarms import actions as alarms
from waystation.alarms.rules.conditions import Condition
from waystation.cli.main import main
from waystation.evidence import beats, placed, sequencer
from waystation.evidence.models import LogEntry
from waystation.evidence.verifier.verify import verify_pack
from waystation.journeys import evidence_pack
from waystation.journeys.pack_claim import claim_of
from waystation.journeys.pack_readings import csv_of
from waystation.kernel.authority import Authority
from waystation.kernel.clock import FastClock
from waystation.kernel.refusals import BadInput, NotAllowed, NotFound, NotReady, Unavailable
from waystation.registry.models import Site, Space
from waystation.spares.actions import returns, travel
from waystation.spares.actions.sourcing import source
from waystation.spares.models import Unit
from waystation.telemetry import stores
from waystation.telemetry.actions import backup, hand
from waystation.telemetry.actions.backup import Logger
from waystation.telemetry.actions.hand import Memory
from waystation.telemetry.engine import Engine
from waystation.telemetry.proving import Reason
from waystation.telemetry.rules.batch import BatchReading
from waystation.telemetry.rules.calibration import correction_of
from waystation.telemetry.store.columns import of_rows
from waystation.telemetry.store.segments import Stored

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("folder")]
Acting = Callable[..., Authority]
HOUR = timedelta(hours=1)
NO_SHRINKING = (Phase.explicit, Phase.reuse, Phase.generate)  # an example costs a quarter of a second
MACHINE = "00000000-0000-7000-8000-00000000000a"


def _never() -> None:
    raise AssertionError("nothing is to be waited for")


def _make(end: Any = START + 2 * HOUR, **more: Any) -> bytes:
    return evidence_pack.make(system(), "cordoba", START, end, now=START + 12 * HOUR, wait=_never, **more)


def _warm_morning() -> Space:
    """Two hours in which a fridge is ten minutes too warm."""
    space, (probe,) = a_monitored_space(START)
    values = [5.0 + 0.1 * (i % 2) + (6.0 if 60 <= i < 70 else 0.0) for i in range(125)]
    deliver(space, minutes(probe, START, values), START + 2 * HOUR)
    judge(Engine(), START + 2 * HOUR)
    return space


def _swap() -> str:
    """A unit is sourced, travels, is installed; the alarm that asked for it is raised and acknowledged."""
    a_lane(a_hub(), 30)
    a_unit("S-1", a_hub())
    sent = source(system(), a_need(), now=START + HOUR / 2).dispatch
    assert sent is not None
    for verb, hours in ((travel.pick, 0.6), (travel.ship, 0.7), (travel.deliver, 1.0)):
        verb(system(), sent.pk, now=START + hours * HOUR)
    travel.install(system(), sent.unit_id, now=START + 1.2 * HOUR, device_name="ctl-1")
    return sent.unit.serial


def _records(data: bytes, name: str) -> list[dict[str, Any]]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        rows: list[dict[str, Any]] = json.loads(archive.read(name))
    return rows


def test_jnt_05_a_pack_of_an_excursion_holds_the_swap_and_verifies_offline(acting: Acting, folder: Path) -> None:
    """Product and hardware in one chain: readings, alarm, serials, certificate; checked by the verify.py inside."""
    space = _warm_morning()
    condition = Condition("excursion", space.site_id, "space", space.pk, START + HOUR, {"value_c": 11.0})
    (raised,) = alarms.update(system(), space.site_id, [condition], now=START + 1.1 * HOUR).raised
    alarms.acknowledge(acting("operator"), raised.pk, now=START + 1.15 * HOUR)
    serial = _swap()
    data = _make()
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        (folder / "verify.py").write_bytes(archive.read("verify.py"))
    (folder / "p.zip").write_bytes(data)
    (folder / "t.json").write_text(json.dumps(placed.trust("iberia")))
    words = [sys.executable, "-I", "-S", "verify.py", "p.zip", "--trust", "t.json", "--json"]
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True)
    report = json.loads(done.stdout)
    assert (done.returncode, report["verdict"], report["excursions"]) == (0, "out_of_range", 1)
    assert report["out_of_range_min"] == pytest.approx(10)
    custody = _records(data, "custody.json")
    assert {"received", "reserved", "in_transit", "installed"} <= {r["state"] for r in custody}
    assert {r["serial"] for r in custody} == {serial}
    steps = [r["step"] for r in _records(data, "alarms.json") if r["alarm"] == str(raised.pk)]
    assert steps[0] == "raised"
    assert "acknowledged" in steps
    assert [r["certificate"] for r in _records(data, "calibration.json")] == ["C-fridge-1-0"]
    assert all("entry" in r for r in _records(data, "story.json"))


def test_jnt_05_the_wipe_of_the_old_unit_is_in_the_pack(acting: Acting) -> None:
    """Also what happens to it at the hub, in the installation's log, is told with the place where it is logged."""
    _warm_morning()
    _swap()
    unit = Unit.objects.get(serial="S-1").pk
    returns.mark_failed(system(), unit, reason="Fan stuck", now=START + 1.3 * HOUR)
    returns.start_return(system(), unit, now=START + 1.4 * HOUR)
    returns.receive_return(system(), unit, a_hub().pk, now=START + 1.5 * HOUR)
    returns.wipe(acting("wiper"), unit, certificate="W-1", now=START + 1.6 * HOUR)
    wiped = [r for r in _records(_make(), "custody.json") if r["state"] == "wiped"]
    assert [r["wipe_certificate"] for r in wiped] == ["W-1"]
    assert all("entry" in r or r["logged_in"] for r in wiped)


def test_evd_08_any_changed_byte_of_a_made_pack_is_refused_and_located() -> None:
    """200 random flips: never verified, always a member named."""
    _warm_morning()
    data, trust, dice = _make(), placed.trust("iberia"), random.Random(3)
    assert verify_pack(data, trust).ok
    for _ in range(200):
        changed = bytearray(data)
        changed[dice.randrange(len(data))] ^= 1 << dice.randrange(8)
        report = verify_pack(bytes(changed), trust)
        assert not report.ok
        assert report.refusals[0].member


def test_evd_09_a_head_that_the_auditor_holds_is_continued(now: Any) -> None:
    """A trust file with a pinned head verifies a later pack; a head that never was is refused."""
    _warm_morning()
    sequencer.run(START)
    trust = placed.trust("iberia", with_head=True)
    for hours in range(3):
        _make(START + (hours + 1) * HOUR)
    size = trust["known_head"]["size"]
    assert verify_pack(_make(known=[size]), trust).ok
    with pytest.raises(NotFound, match="no head of 999"):
        _make(known=[999])


def test_evd_09_spaces_with_different_limits_fit_in_one_pack() -> None:
    """A freezer beside a fridge: each sensor is judged by its own profile, and the report says which."""
    _warm_morning()
    frozen = a_profile("frozen", low_c=-25.0, high_c=-15.0, approved_at=START - 24 * HOUR)
    space, (probe,) = a_monitored_space(START, code="freezer", profile=frozen)
    deliver(space, minutes(probe, START, [-20.0 - 0.1 * (i % 2) for i in range(125)]), START + 2 * HOUR)
    judge(Engine(), START + 2 * HOUR)
    report = verify_pack(_make(), placed.trust("iberia"))
    assert report.ok
    assert report.facts["excursions"] == 1
    assert any("-25 to -15" in line for line in report.proven) or report.facts["profile"]["code"] == "frozen"
    only = verify_pack(_make(space="freezer"), placed.trust("iberia"))
    assert (only.verdict, only.facts["spaces"]) == ("in_range_proven", ["freezer"])


def test_evd_09_what_cannot_be_packed_is_refused_with_the_next_step(acting: Acting) -> None:
    """No permission, an open or empty period, an unknown space, a site with nothing to judge: no pack and no entry."""
    _warm_morning()
    before = LogEntry.objects.count()
    later = START + 12 * HOUR
    with pytest.raises(NotAllowed):
        evidence_pack.make(acting("planner"), "cordoba", START, START + HOUR, now=later)
    with pytest.raises(BadInput, match="still to come"):
        evidence_pack.make(system(), "cordoba", START, START + HOUR, now=START)
    with pytest.raises(BadInput, match="names no time zone"):
        evidence_pack.make(system(), "cordoba", START.replace(tzinfo=None), START, now=later)
    with pytest.raises(BadInput, match="cannot be made"):
        evidence_pack.make(system(), "cordoba", START, START, now=later)
    with pytest.raises(NotFound, match="no space attic"):
        _make(space="attic")
    Site.objects.create(code="bare", **_like("cordoba"))
    with pytest.raises(NotReady, match="Nothing of bare"):
        evidence_pack.make(system(), "bare", START, START + HOUR, now=later)
    made = LogEntry.objects.filter(kind__startswith="evidence.").count()
    assert made == 0
    assert before <= LogEntry.objects.count()


def _like(code: str) -> dict[str, Any]:
    held = Site.objects.get(code=code)
    names = ("network", "template", "service_class", "city", "country", "lat", "lon", "zone")
    return {"name": "Bare"} | {name: getattr(held, name) for name in names}


def test_a_pack_waits_for_the_worker_that_holds_the_sequencer_and_gives_up_in_words(now: Any) -> None:
    """While another process holds the loop nothing is sequenced twice; when it never does, the refusal says so."""
    _warm_morning()
    assert beats.lease("sequencer", "worker:1", START + 12 * HOUR, HOUR)
    waits: list[int] = []
    with pytest.raises(Unavailable, match="did not take in"):
        evidence_pack.make(
            system(), "cordoba", START, START + HOUR, now=START + 12 * HOUR, wait=lambda: waits.append(1)
        )
    assert len(waits) == evidence_pack.TRIES
    data = evidence_pack.make(
        system(), "cordoba", START, START + HOUR, now=START + 12 * HOUR, wait=lambda: sequencer.run(START) and None
    )
    assert verify_pack(data, placed.trust("iberia")).ok


def test_a_reading_after_the_period_is_needed_to_prove_its_end() -> None:
    """Where nothing came after the last reading, the time since then is not proven, by judge and verifier alike."""
    space, (probe,) = a_monitored_space(START)
    deliver(space, minutes(probe, START, [5.0 + 0.1 * (i % 2) for i in range(61)]), START + HOUR)
    judge(Engine(), START + HOUR)
    report = verify_pack(_make(START + HOUR + timedelta(seconds=30)), placed.trust("iberia"))
    assert (report.ok, report.verdict) == (True, "not_proven")
    assert report.facts["not_proven_min"] == pytest.approx(0.5)
    assert verify_pack(_make(START + HOUR), placed.trust("iberia")).verdict == "in_range_proven"


def _stored(seconds: int, value: float | None, seq: int, machine: str = MACHINE, boot: int = 1) -> Stored:
    at_us = round(START.timestamp() * 1e6) + seconds * 1_000_000
    return Stored("p", at_us, value, "signed_batch", machine, boot, seq, at_us)


def test_a_readings_file_tells_gateways_apart_and_names_no_number_twice() -> None:
    """After a gateway swap the same boot and number come again: both stand; a true repeat stands without number."""
    other = MACHINE[:-1] + "b"
    rows = [_stored(0, 5.0, 1), _stored(60, 5.1, 1, other), _stored(120, None, 2), _stored(180, 5.2, 2)]
    doubt = Reason(rows[1].observed_us / 1e6, rows[2].observed_us / 1e6, "p", "frozen")
    content, repeats = csv_of(of_rows("p", rows), correction_of([(0.0, 0.25)]), [doubt])
    lines = [line.split(",") for line in content.decode().splitlines()[1:]]
    assert repeats == 1
    assert [line[1] for line in lines] == ["5.25", "5.35", "", "5.45"]
    assert [line[2] for line in lines] == ["good", "in_doubt", "no_value", "good"]
    assert [",".join(line[4:]) for line in lines] == ["1.1,1", "2.1,1", "1.1,2", ","]


class Agreement(TestCase):
    """The product's judge and the verifier that the auditor runs."""

    stream = st.lists(
        st.tuples(
            st.sampled_from([0, 1, 20, 60, 60, 60, 90, 400, 1900]),
            st.sampled_from([None, 1.99, 2.0, 2.4, 5.0, 5.0, 5.1, 7.7, 8.0, 8.01, 12.5, -40.0, 1e12]),
            st.sampled_from(["signed_batch", "signed_batch", "signed_batch", "plain_file"]),
        ),
        max_size=25,
    )

    by_hand = st.lists(
        st.tuples(
            st.integers(-3000, 4200),
            st.sampled_from([1.9, 2.4, 5.0, 5.0, 5.0, 7.7, 9.5]),
            st.sampled_from(
                [("", None), ("C-7", date(2027, 1, 1)), ("C-7", date(2027, 1, 1)), ("C-7", date(2026, 1, 1))]
            ),
            st.sampled_from([None, None, (600, 1.0, 1.0), (2400, 1.0, 1.0), (7000, 1.0, 4.0)]),
            st.sampled_from(["TH-1", "TH-1", "TH-2"]),
        ),
        max_size=6,
    )

    @settings(max_examples=60, deadline=None, phases=NO_SHRINKING)
    @given(
        st.lists(stream, min_size=1, max_size=3),
        st.integers(0, 3000),
        st.sampled_from([0.0, 0.5]),
        st.booleans(),
        by_hand,
        st.sampled_from([None, 600, 7200]),
        st.booleans(),
    )
    def test_evd_09_judge_and_verifier_agree(
        self,
        streams: list[Any],
        lead_s: int,
        guard_c: float,
        offset: bool,
        by_hand: list[Any],
        hold_s: int | None,
        hand_proves: bool,
    ) -> None:
        """Whatever the readings: gaps, guard band, doubtful sources, two values at once, several sensors, by hand."""
        space, sensors = a_monitored_space(START, probes=len(streams))
        assert space.profile is not None
        space.profile.guard_band_c, space.profile.second_hold_s = guard_c, hold_s
        space.profile.source_classes = ["signed_batch", *(["hand_reading"] if hand_proves else [])]
        space.profile.save()
        for second, value, (certificate, until), memory, instrument in by_hand:
            at = START + timedelta(seconds=second)
            hand.hand_reading(
                system(),
                space.pk,
                value_c=value,
                observed_at=at,
                instrument=instrument,
                certificate=certificate,
                certificate_until=until,
                memory=memory and Memory(at - timedelta(seconds=memory[0]), value - memory[1], value + memory[2]),
                now=START + 2 * HOUR,
            )
        stores.log().rotate()
        for sensor, stream in zip(sensors, streams, strict=True):
            sensor.calibrations.update(offset_c=0.3 if offset else 0.0)
            at_us = round(START.timestamp() * 1e6) - lead_s * 1_000_000
            for number, (step_s, value, source_class) in enumerate(stream):
                at_us += step_s * 1_000_000
                deliver(space, [BatchReading(sensor.code, at_us, value, number + 1)], START + HOUR, source_class)
        report = verify_pack(_make(START + HOUR), placed.trust("iberia"))
        assert report.ok, report.text()
        for number in stores.log().files():
            stores.log().drop(number)
        stores._log.cache_clear()


def test_qal_06_the_pack_names_its_second_sources_and_the_verifier_works_them_out_again(
    acting: Acting, folder: Path
) -> None:
    """A two-hour outage, a thermometer and a logger's file: in the readings, the claim, the story and the report."""
    space, (probe,) = a_monitored_space(START)
    assert space.profile is not None
    space.profile.source_classes, space.profile.second_hold_s = ["signed_batch", "hand_reading", "plain_file"], 3600
    space.profile.save()
    for begin in (START, START + 3 * HOUR):
        deliver(space, minutes(probe, begin, [5.0 + 0.1 * (i % 2) for i in range(61)]), START + 4 * HOUR)
    ana, at = acting("operator", name="Ana"), START + 2 * HOUR
    hand.hand_reading(
        ana, space.pk, value_c=5.1, observed_at=at, instrument="MM-3", certificate="C-7",
        certificate_until=date(2027, 6, 30), memory=Memory(START + HOUR, 4.6, 5.9), now=at,
    )  # fmt: skip
    rows = "".join(f"{(at + timedelta(minutes=5 * i)).isoformat()},5.2\n" for i in range(14))
    backup.take_backup_file(
        ana, space.pk, f"timestamp,temp_c\n{rows}".encode(), "ft2.csv", Logger("FT-2", "C-2", date(2027, 6, 30)),
        start=None, end=None, formats=wiring.logger_formats(), now=START + 4 * HOUR,
    )  # fmt: skip
    data = _make(START + 4 * HOUR)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        claim = json.loads(archive.read("claim.json"))
        text = archive.read("readings/cordoba.fridge-1.hand-1.csv").decode()
    assert claim["verdict"] == "in_range_proven"
    assert "hand_reading" in text
    assert any("MM-3, 4.6 to 5.9 °C since 07:00 UTC" in c["reason"] for c in claim["covered"])
    assert "telemetry.hand_reading" in {r["kind"] for r in _records(data, "story.json")}
    report = verify_pack(data, placed.trust("iberia"))
    assert (report.ok, report.verdict) == (True, "in_range_proven")
    assert "cordoba.fridge-1.hand-1 (MM-3) is a second source: it covered 58.5 min" in report.text()
    space.profile.source_classes = ["signed_batch"]
    space.profile.save()
    report = verify_pack(_make(START + 4 * HOUR), placed.trust("iberia"))
    assert (report.ok, report.verdict) == (True, "not_proven")
    assert "hand reading 5.1 °C by Ana at 08:00 UTC" in report.text()


def test_evd_09_the_command_and_the_api_make_packs_that_the_command_verifies(
    acting: Acting, signed_in: Callable[..., Client], clock: FastClock, folder: Path
) -> None:
    """`GET /api/v1/evidence/pack` for whom the permission is held; a leader gets a refusal in the one shape."""
    _warm_morning()
    clock.advance_to(START + 12 * HOUR)
    words = {"site": "cordoba", "from": START.isoformat(), "to": (START + HOUR).isoformat()}
    refused = signed_in("leadership").get("/api/v1/evidence/pack", words)
    assert refused.status_code == 403
    assert set(refused.json()) >= {"code", "message", "next_step"}
    reply = signed_in("auditor").get("/api/v1/evidence/pack", words)
    assert reply.status_code == 200, reply.content[:300]
    trust = signed_in("auditor").get("/api/v1/evidence/trust/iberia").json()
    assert verify_pack(reply.content, trust).ok
    (folder / "p.zip").write_bytes(reply.content)
    (folder / "t.json").write_text(json.dumps(trust))
    assert main(["evidence", "verify", str(folder / "p.zip"), "--trust", str(folder / "t.json")]) == 0


def test_a_claim_lists_spaces_that_nothing_judges() -> None:
    """A space without profile is not passed over in silence."""
    space = _warm_morning()
    bare, _ = a_monitored_space(START, code="bare")
    Space.objects.filter(pk=bare.pk).update(profile=None)
    bare.refresh_from_db()
    claim, files = claim_of("iberia", "cordoba", [space, bare], START, START + HOUR)
    assert claim["conditional"]
    assert "bare" in claim["not_checked"][0]
    assert len(files) == 1


def test_evd_02_each_alarm_of_a_pack_shows_its_forwarding_against_the_target(acting: Acting) -> None:
    """Raised, sent, receipt, opened, acknowledged beside the class's targets: in time, late by so much, or never."""
    space = _warm_morning()
    begin = [Condition("excursion", space.site_id, "space", space.pk, START + HOUR, {"value_c": 11.0})]
    (raised,) = alarms.update(system(), space.site_id, begin, now=START + 1.1 * HOUR).raised
    (chain,) = [r for r in _records(_make(), "alarms.json") if r["step"] == "chain"]
    assert (chain["sent_in_time"], chain["acknowledged_in_time"], chain["opened"]) == ("never", "never", "not recorded")
    assert (chain["send_within_s"], chain["acknowledge_within_s"]) == (600, 900)
    alarms.acknowledge(acting("operator"), raised.pk, now=START + 1.1 * HOUR + timedelta(seconds=901))
    (chain,) = [r for r in _records(_make(), "alarms.json") if r["step"] == "chain"]
    assert chain["acknowledged_in_time"] == "1 s late"
    assert chain["receipt"] == "none"


def test_evd_13_a_pack_states_the_share_of_inputs_that_it_had_and_what_was_missing() -> None:
    """A probe that was silent for an hour of four: both verifiers work out 75 % and name it."""
    space, (probe,) = a_monitored_space(START)
    for begin in (START, START + 2 * HOUR):
        deliver(space, minutes(probe, begin, [5.0 + 0.1 * (i % 2) for i in range(61)]), START + 4 * HOUR)
    deliver(space, minutes(probe, START + 3 * HOUR, [5.0] * 61), START + 4 * HOUR)
    judge(Engine(), START + 4 * HOUR)
    data, trust = _make(START + 4 * HOUR), placed.trust("iberia")
    report = verify_pack(data, trust)
    (second,) = second_verdicts([data], trust)
    silent = report.facts["silent_min"][probe.code]
    assert 25 < silent < 60
    assert report.facts["inputs_pct"] == pytest.approx(100 - 100 * silent / 240)
    assert second["inputs_pct"] == pytest.approx(report.facts["inputs_pct"])
    assert f"{probe.code} was silent for {silent:.1f} min" in report.text()
