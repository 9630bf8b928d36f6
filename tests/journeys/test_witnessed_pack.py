"""Packs and witnesses, from the question to the auditor: with a quorum, without one, and in regulated mode."""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.test import Client, override_settings

from tests.conftest import START
from tests.rooms.evidence.witnessing import Process
from tests.rooms.spares.network import system
from tests.rooms.telemetry.samples import a_monitored_space, deliver, judge, minutes
from waystation import wiring
from waystation.cli import serve
from waystation.evidence import placed, sequencer, witnesses
from waystation.evidence.verifier.verify import verify_pack
from waystation.journeys import doctor, evidence_pack
from waystation.kernel.clock import FastClock
from waystation.kernel.refusals import NotReady, Unavailable
from waystation.telemetry.engine import Engine

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)
NOW = START + 3 * HOUR


@pytest.fixture(autouse=True)
def fridge(folder: Path) -> None:
    """A fridge that was in range."""
    space, (probe,) = a_monitored_space(START)
    deliver(space, minutes(probe, START, [5.0] * 130), START + 2 * HOUR)
    judge(Engine(), START + 2 * HOUR)


@pytest.fixture
def outside(folder: Path) -> Iterator[Process]:
    """A witness of both logs, in a process of its own."""
    process = Process(folder / "witness", "witness.example/qa", "iberia", "installation")
    with override_settings(WITNESSES=process.setting):
        yield process
    process.end()


def _make(now: Any = NOW) -> bytes:
    return evidence_pack.make(
        system(), "cordoba", START, START + 2 * HOUR, now=now, wait=lambda: None, line_of=wiring.witness_line
    )


def _claim(data: bytes) -> dict[str, Any]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        found: dict[str, Any] = json.loads(archive.read("claim.json"))
    return found


def test_evd_09_a_pack_of_a_witnessed_log_says_by_whom_and_satisfies_who_demands_it(outside: Process) -> None:
    """The auditor's quorum of one is met by the cosignature inside; nothing is said to be unwitnessed."""
    sequencer.run(NOW)
    data = _make()
    trust = placed.trust("iberia")
    assert (trust["witnesses"], trust["quorum"]) == ([outside.vkey], 1)
    report = verify_pack(data, trust)
    assert (report.ok, report.unwitnessed) == (True, False), report.text()
    assert report.facts["log"]["cosigned_by"] == ["witness.example/qa"]
    assert "unwitnessed_since" not in _claim(data)


def test_evd_08_a_pack_made_while_the_witness_is_dead_says_since_when(outside: Process) -> None:
    """Outside regulated mode it is made, carries the time, and fails whoever demands the witness."""
    sequencer.run(NOW)
    _make()
    outside.end()
    sequencer.run(NOW + HOUR)
    _make(NOW + HOUR)
    data = _make(NOW + 2 * HOUR)
    assert _claim(data)["unwitnessed_since"] == "2026-11-17T10:00:00Z"
    assert not verify_pack(data, placed.trust("iberia")).ok
    report = verify_pack(data, placed.trust("iberia") | {"quorum": 0})
    assert report.ok
    assert "UNWITNESSED since 2026-11-17T10:00:00Z" in report.sentence()


def test_evd_08_in_regulated_mode_packs_wait_for_the_witness_and_recording_goes_on(outside: Process) -> None:
    """Refused with the time and what the witness said; readings and entries are taken all the while."""
    with override_settings(REGULATED=True):
        sequencer.run(NOW)
        assert verify_pack(_make(), placed.trust("iberia")).ok
        outside.end()
        space, (probe,) = a_monitored_space(START, code="fridge-2")
        deliver(space, minutes(probe, START, [5.0] * 9), NOW)
        judge(Engine(), NOW + HOUR)
        assert sequencer.run(NOW + HOUR) > 0
        with pytest.raises(Unavailable, match=r"unwitnessed since 2026-11-17T10:00:00Z.*does not answer") as refused:
            _make(NOW + HOUR)
        assert refused.value.code == "evidence.pack_waits"
        outside.start()
        assert verify_pack(_make(NOW + 2 * HOUR), placed.trust("iberia")).ok


def test_regulated_mode_cannot_be_served_without_a_witness() -> None:
    """It is refused before anything is started."""
    with override_settings(WITNESSES="", REGULATED=True), pytest.raises(NotReady, match="needs a witness"):
        serve.check_witnesses()
    with override_settings(WITNESSES="", REGULATED=False):
        serve.check_witnesses()


def _told(now: Any) -> dict[str, str]:
    return {f.code: f.words for f in doctor.findings(now) if f.code.startswith("witness.")}


def test_evd_08_the_doctor_tells_a_late_witness_and_settings_that_cannot_stand(outside: Process) -> None:
    """Nothing while all is cosigned; a time and a reason when it is not."""
    sequencer.run(NOW)
    _make()
    assert _told(NOW + HOUR) == {}
    outside.end()
    sequencer.run(NOW)
    _make()
    assert _told(NOW) == {}  # it may still come
    assert "unwitnessed since 2026-11-17T09:00:00+00:00" in _told(NOW + HOUR)["witness.late"]
    with override_settings(WITNESSES="nonsense"):
        assert "no address" in _told(NOW)["witness.settings"]


def test_evd_08_every_page_says_since_when_the_log_is_unwitnessed(
    outside: Process, signed_in: Callable[..., Client], clock: FastClock
) -> None:
    """On a page that has nothing to do with the log; gone as soon as the witness is back."""
    sequencer.run(NOW)
    _make()
    client = signed_in("auditor", "quality")
    clock.advance_to(NOW)
    witnesses.ask_all(NOW, wiring.witness_line)
    assert "Unwitnessed" not in client.get("/sites/").content.decode()
    outside.end()
    sequencer.run(NOW)
    _make()
    assert "Unwitnessed" not in client.get("/sites/").content.decode()  # it may still come
    clock.advance(120)
    assert re.search(r"Unwitnessed</b><br>since .*Nov, 09:00", client.get("/sites/").content.decode())
    outside.start()
    clock.advance(120)
    witnesses.ask_all(clock.now(), wiring.witness_line)
    assert "Unwitnessed" not in client.get("/sites/").content.decode()
