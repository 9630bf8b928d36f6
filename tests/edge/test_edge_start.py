"""Starts on a disk that refuses, or with a damaged spool: the site is judged and heard, no number is given twice."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pytest

from tests.edge.stage import HOT_C, PROBE, SECOND, START_S, Site, Time
from waystation.edge.clock import SteadyClock
from waystation.edge.paths import DAY_US, Uplink
from waystation.edge.paths import Path as Way
from waystation.edge.spool import connect


class Shut:
    """A disk that refuses to open anything while it is shut."""

    def __init__(self) -> None:
        self.is_shut = False

    def open(self, path: Path) -> sqlite3.Connection:
        """As the spool opens."""
        if self.is_shut:
            raise sqlite3.OperationalError("database or disk is full")
        return connect(path)


def numbers(site: Site) -> dict[tuple[int, int], Any]:
    """What arrived by boot and number; one number never has two contents."""
    found: dict[tuple[int, int], Any] = {}
    for boot, *content, number in site.centre.readings():
        assert found.setdefault((boot, number), content) == content
    return found


def test_tel_12_a_disk_that_refuses_at_the_start_stops_no_alarm(tmp_path: Path) -> None:
    """The site hears both, alarms and heartbeats leave from memory with the trouble and without a number."""
    disk = Shut()
    disk.is_shut = True
    site = Site(tmp_path, open_with=disk.open)
    site.probes.values[PROBE] = HOT_C
    site.live(30)
    assert any("recording stopped" in text for text in site.ear.now)
    assert {a["rule"] for _, d in site.centre.got for a in d.get("alarms", [])} == {"recording", "excursion"}
    beats = [d for _, d in site.centre.got if "state" in d]
    assert len(beats) >= 29
    assert {(d["boot"], d["state"]["trouble"]) for d in beats} == {(0, "database or disk is full")}
    assert site.centre.readings() == []
    assert site.agent.status()["spool"] == "stopped"


def test_tel_12_once_the_disk_takes_it_the_boot_is_counted_and_what_was_not_kept_is_its_first_gap(
    tmp_path: Path,
) -> None:
    """Within ten seconds or so; the readings go on behind the gap, and every number is one or the other."""
    disk = Shut()
    disk.is_shut = True
    site = Site(tmp_path, open_with=disk.open)
    site.live(30)
    lost = len(site.probes.given)
    disk.is_shut = False
    site.live(10)
    assert [(n["boot"], n["ended"]) for n in site.centre.notes("started")] == [(1, "first_start")]
    (gap,) = site.centre.gaps()
    assert (gap["boot"], gap["first"], gap["cause"]) == (1, 1, "disk_failed")
    assert gap["count"] == gap["last"]
    assert lost <= gap["last"] <= lost + 2
    assert set(numbers(site)) == {(1, n) for n in range(gap["last"] + 1, len(site.probes.given) + 1)}
    assert site.agent.status()["trouble"] == ""
    assert not any("recording stopped" in text for text in site.ear.now)


def test_tel_12_a_boot_that_was_never_counted_takes_no_number_from_the_next(tmp_path: Path) -> None:
    """A boot, one that never had a disk, and one that has: it is the second that is counted, and nothing collides."""
    disk = Shut()
    site = Site(tmp_path, open_with=disk.open)
    site.live(5)
    for disk.is_shut in (True, False):
        site.agent.stop("stopped")
        site.crash()
        site.boot()
        assert (tmp_path / "ballast").exists() != disk.is_shut
        site.live(5)
    told = [(n["boot"], n["ended"]) for n in site.centre.notes("started")]
    assert told == [(1, "first_start"), (2, "stopped")]
    assert {boot for boot, _ in numbers(site)} == {1, 2}


@pytest.mark.parametrize("name", ["spool.sqlite3", "boot", "boot.new"])
def test_tel_12_whatever_stands_in_the_way_of_the_count_is_waited_for(name: str, tmp_path: Path) -> None:
    """A folder in the place of a file: the agent lives, and counts once it is gone."""
    (tmp_path / name).mkdir()
    site = Site(tmp_path)
    site.live(2)
    assert site.agent.recorder.boot == 0
    assert site.agent.status()["trouble"]
    (tmp_path / name).rmdir()
    site.live(5)
    assert site.agent.recorder.boot == 1
    assert numbers(site)


def spoil(path: Path, first: int) -> bytes:
    """Overwrite a page from a byte on; what the file holds now."""
    content = bytearray(path.read_bytes())
    content[first:4096] = b"\x5a" * (4096 - first)
    path.write_bytes(bytes(content))
    return bytes(content)


@pytest.mark.parametrize("first", [0, 100])
def test_tel_12_a_damaged_spool_is_set_aside_and_no_number_is_given_again(first: int, tmp_path: Path) -> None:
    """It stays under another name, whole; the boots go on; the centre and the site are told which file it is."""
    site = Site(tmp_path)
    site.live(5)
    site.crash()
    site.boot()
    site.live(5)
    before = numbers(site)
    site.crash()
    damaged = spoil(site.spool.path, first)
    site.boot()
    site.live(5)
    (aside,) = tmp_path.glob("spool.damaged-*.sqlite3")
    assert aside.read_bytes() == damaged
    told = site.centre.notes("started")[-1]
    assert (told["boot"], told["ended"], told["set_aside"]) == (3, "spool_damaged", aside.name)
    assert aside.name in site.agent.status()["trouble"]
    assert before.items() < numbers(site).items()
    assert {boot for boot, _ in set(numbers(site)) - set(before)} == {3}
    site.crash()
    site.boot()
    assert site.agent.recorder.boot == 4
    assert site.agent.status()["trouble"] == ""


def test_tel_12_a_damaged_spool_without_a_count_beside_it_is_left_alone(tmp_path: Path) -> None:
    """No boot could be told from an old one: nothing is recorded, the trouble says why, alarms go on."""
    site = Site(tmp_path)
    site.live(5)
    site.crash()
    damaged = spoil(site.spool.path, 0)
    (tmp_path / "boot").unlink()
    site.boot()
    site.probes.values[PROBE] = HOT_C
    site.live(20)
    assert site.spool.path.read_bytes() == damaged
    assert "damaged" in site.agent.status()["trouble"]
    assert site.agent.recorder.boot == 0
    assert "excursion" in {a["rule"] for _, d in site.centre.got for a in d.get("alarms", [])}


def test_tel_12_a_spool_that_somebody_deleted_begins_no_count_anew(tmp_path: Path) -> None:
    """The next boot has the next number, and says that the spool was missing."""
    site = Site(tmp_path)
    site.live(5)
    site.crash()
    for path in tmp_path.glob("spool.sqlite3*"):
        path.unlink()
    site.boot()
    site.live(5)
    assert [(n["boot"], n["ended"]) for n in site.centre.notes("started")] == [(1, "first_start"), (2, "spool_missing")]


def test_tel_12_an_excursion_of_the_last_boot_is_known_once_the_disk_is(tmp_path: Path) -> None:
    """Where nothing was heard since it goes on; where something was, that counts."""
    disk = Shut()
    site = Site(tmp_path, open_with=disk.open)
    site.probes.values = {PROBE: HOT_C, SECOND: HOT_C}
    site.live(5)
    site.crash()
    disk.is_shut = True
    site.boot()
    site.probes.values = {PROBE: 5.0}
    site.live(1)
    disk.is_shut = False
    site.live(1)
    assert set(site.agent.judge.open_runs()) == {SECOND}


def test_time_goes_on_from_what_is_recorded_also_when_that_is_known_late() -> None:
    """A clock without a battery and a disk that opens after a while."""
    time = Time()
    time.skew_s = -START_S
    clock = SteadyClock(time, 0)
    time.true_s += 100
    clock.now_us()
    clock.not_before(START_S * 1_000_000)
    time.true_s += 10
    assert clock.now_us() == (START_S + 10) * 1_000_000


def test_what_went_before_the_account_was_known_counts() -> None:
    """Bytes of the same day add up; those of a day before are over."""
    uplink = Uplink("lte", "https://x", bytes_per_day=1000)
    for day, spent in ((3, 700), (2, 100)):
        way = Way(uplink)
        way.carried("live", 100, 3 * DAY_US)
        way.resume(f"[{day}, 600]")
        assert way.told(3 * DAY_US)["bytes_today"] == spent
