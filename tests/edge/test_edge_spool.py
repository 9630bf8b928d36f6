"""The spool and the recorder: numbers, bounds, thinning, full disks, and what stands in the signed batches."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.edge.simulation import Disk
from tests.edge.stage import (
    GOOD_C,
    HOT_C,
    PROBE,
    SECOND,
    START_S,
    Site,
    a_watch,
    bodies_of,
    count_of,
    keys_in,
)
from waystation.edge.heads import body_of
from waystation.edge.judge import Judge
from waystation.edge.ports import Answer, Sample
from waystation.edge.recorder import Recorder
from waystation.edge.spool import Batch, Lost, Spool
from waystation.edge.thin import WINDOW_US, Row, thin
from waystation.edge.uplink import MOST_LOOSE
from waystation.evidence.rules.signing import verifies
from waystation.telemetry.rules.batch import parse_batch

MB = 1024 * 1024


def rows(first: int, count: int, *, at_s: int = START_S, stays: bool = False) -> list[Row]:
    """Readings of one probe, a minute apart."""
    return [Row(first + i, PROBE, (at_s + 60 * i) * 1_000_000, GOOD_C + i / 100, stays) for i in range(count)]


def a_spool(folder: Path) -> Spool:
    """An empty one."""
    return Spool(folder, bound_bytes=64 * MB)


def seal(spool: Spool, folder: Path, **how: Any) -> bool:
    """Seal with the folder's key."""
    keys = keys_in(folder / "keys")
    return spool.seal(START_S * 1_000_000, keys.public, keys.sign, **how)


def loose(number: int, kind: str = "alarm") -> Batch:
    """A batch that is in memory alone, named by its number."""
    return Batch(0, kind, START_S * 1_000_000, str(number), b"", "", body_of(0, "", []))


def test_the_boot_is_counted_before_any_record_of_it(tmp_path: Path) -> None:
    """Whatever follows `start`, the next boot has a higher number."""
    for boot in (1, 2, 3):
        spool = a_spool(tmp_path)
        assert spool.start(0).boot == boot
        spool.close()


def test_commits_wait_for_the_disk(tmp_path: Path) -> None:
    """The journal is a write-ahead log and every commit is synced."""
    spool = a_spool(tmp_path)
    spool.start(0)
    assert spool._db.execute("PRAGMA synchronous").fetchone() == (2,)
    assert spool._db.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_the_same_number_is_never_given_twice(tmp_path: Path) -> None:
    """A second reading under a number is an error, not a merge; nothing of that record is kept."""
    spool = a_spool(tmp_path)
    spool.start(0)
    spool.record(1, rows(1, 3), [])
    with pytest.raises(sqlite3.IntegrityError):
        spool.record(1, rows(3, 2), [{"kind": "started"}])
    assert count_of(spool, "raw") == 3
    assert count_of(spool, "note") == 0


def test_a_sealed_batch_is_signed_whole_and_read_by_the_centre(tmp_path: Path) -> None:
    """The signature is over the exact bytes; the centre's own parser takes them."""
    spool, keys = a_spool(tmp_path), keys_in(tmp_path / "keys")
    spool.start(0)
    spool.record(1, rows(1, 5), [{"kind": "clock_stepped", "at_us": 1, "steps": 1}])
    spool.lose(1, Lost(6, 9, 4, "spool_full", 1, 2))
    assert seal(spool, tmp_path)
    assert not seal(spool, tmp_path)
    batch = spool.next_of(("data",), 2**62)
    assert batch is not None
    assert verifies(bytes.fromhex(keys.public), batch.body, batch.signature)
    read = parse_batch(batch.body)
    assert [r.seq for r in read.readings] == [1, 2, 3, 4, 5]
    assert read.span == (1, 5)
    assert [dict(g) for g in read.told.gaps] == [
        {"boot": 1, "first": 6, "last": 9, "count": 4, "cause": "spool_full", "from_us": 1, "until_us": 2}
    ]
    assert read.told.notes[0]["kind"] == "clock_stepped"


def test_a_gap_that_goes_on_is_not_sealed(tmp_path: Path) -> None:
    """It is written over in place until it ends."""
    spool = a_spool(tmp_path)
    spool.start(0)
    for last in (3, 7, 12):
        spool.lose(1, Lost(1, last, last, "spool_full", 0, last))
    assert not seal(spool, tmp_path, open_gap=1)
    assert count_of(spool, "gap") == 1
    assert seal(spool, tmp_path)
    assert bodies_of(spool)[0]["gaps"][0]["last"] == 12


def test_a_batch_holds_one_boot(tmp_path: Path) -> None:
    """Readings of two boots make two batches, the older first."""
    spool = a_spool(tmp_path)
    for boot in (1, 2):
        assert spool.start(0).boot == boot
        spool.record(boot, rows(1, 2), [])
    while seal(spool, tmp_path):
        pass
    assert [(b["boot"], b["span"]) for b in bodies_of(spool)] == [(1, [1, 2]), (2, [1, 2])]


def test_only_what_is_acknowledged_is_released_and_its_head_stays(tmp_path: Path) -> None:
    """Under pressure the payload of an acknowledged batch goes; digest and signature stay, and all that waits."""
    spool = a_spool(tmp_path)
    spool.start(0)
    for first in (1, 11):
        spool.record(1, rows(first, 10), [])
        seal(spool, tmp_path)
    batch = spool.next_of(("data",), 2**62)
    assert batch is not None
    spool.acked(batch.n, 5)
    spool.tidy(is_pressed=False)
    with sqlite3.connect(spool.path) as db:
        assert db.execute("SELECT count(*) FROM payload").fetchone() == (2,)
    spool.tidy(is_pressed=True)
    with sqlite3.connect(spool.path) as db:
        held = db.execute("SELECT n, length(signature), length(digest) FROM batch ORDER BY n").fetchall()
        left = db.execute("SELECT n FROM payload").fetchall()
    assert held == [(1, 64, 64), (2, 64, 64)]
    assert left == [(2,)]


READINGS = st.lists(
    st.tuples(st.sampled_from(["a", "b"]), st.integers(0, 1200), st.sampled_from([4.0, 5.0, 6.5, None]), st.booleans()),
    max_size=60,
)


@given(READINGS)
def test_thinning_keeps_the_extremes_and_everything_that_must_stay(drawn: list[tuple[Any, ...]]) -> None:
    """What is kept was read; out-of-range and empty readings stay; each group's extremes, count and mean are right."""
    given_rows = [Row(i + 1, code, at * 1_000_000, value, stays) for i, (code, at, value, stays) in enumerate(drawn)]
    kept, windows = thin(given_rows, 1000)
    assert set(kept) <= set(given_rows)
    assert [row.seq for row in kept] == sorted(row.seq for row in kept)
    assert {r for r in given_rows if r.stays or r.value is None} <= set(kept)
    groups: dict[tuple[str, int], list[Row]] = {}
    for row in given_rows:
        if not row.stays and row.value is not None:
            groups.setdefault((row.sensor, row.at_us // WINDOW_US), []).append(row)
    told = {(w.sensor, w.from_us // WINDOW_US): w for w in windows}
    for key, group in groups.items():
        values = [row.value for row in group if row.value is not None]
        stay = [row for row in kept if row in group]
        assert {min(values), max(values)} == {row.value for row in stay}
        assert (key in told) == (len(stay) < len(group))
        if key in told:
            window = told[key]
            assert (window.count, window.low, window.high) == (len(group), min(values), max(values))
            assert window.mean == pytest.approx(sum(values) / len(values))
            assert (window.from_us, window.until_us) == (min(r.at_us for r in group), max(r.at_us for r in group))


@given(READINGS, st.integers(0, 4))
def test_no_more_windows_are_made_than_may_be_and_every_reading_is_there_or_counted(
    drawn: list[tuple[Any, ...]], most: int
) -> None:
    """What has no window stays as it was read."""
    given_rows = [Row(i + 1, code, at * 1_000_000, value, stays) for i, (code, at, value, stays) in enumerate(drawn)]
    kept, windows = thin(given_rows, most)
    assert len(windows) <= most
    told = {(w.sensor, w.from_us // WINDOW_US): w.count for w in windows}
    thinned = [row for row in kept if (row.sensor, row.at_us // WINDOW_US) in told]
    may_go = [row for row in thinned if not row.stays and row.value is not None]
    assert len(kept) - len(may_go) + sum(told.values()) == len(given_rows)


def test_a_batch_that_thins_is_one_that_the_centre_takes(tmp_path: Path) -> None:
    """Many sensors, many notes, many gaps: what is sealed at once stays within what is taken at once, and is whole."""
    spool, codes = a_spool(tmp_path), [f"site.probe-{number}" for number in range(700)]
    spool.start(0)
    at_us = [(START_S // 300 * 300 + 300 * (turn // 3)) * 1_000_000 + turn for turn in range(6)]
    read = [Row(t * 700 + n + 1, code, at_us[t], float(t), False) for t in range(6) for n, code in enumerate(codes)]
    spool.record(1, read, [{"kind": "clock_stepped", "at_us": 1, "steps": n} for n in range(600)])
    for number in range(600):
        spool.lose(1, Lost(10_000 + number, 10_000 + number, 1, "spool_full", 1, 2))
    assert seal(spool, tmp_path, is_thinning=True)
    (body,) = bodies_of(spool)
    batch = parse_batch(json.dumps(body).encode())
    windows = [note for note in batch.told.notes if note["kind"] == "thinned"]
    assert len(windows) == 500
    assert batch.span == (1, len(read))
    assert len(batch.readings) + sum(w["count"] - 2 for w in windows) == len(read)
    assert seal(spool, tmp_path, is_thinning=True)
    assert [len(b["notes"]) for b in bodies_of(spool)] == [100]


def test_what_is_too_much_for_a_note_holds_up_no_reading(tmp_path: Path) -> None:
    """A cause of many words is cut, a number that no note may hold is not thinned; the centre takes all."""
    site = Site(tmp_path)
    site.probes.values = {PROBE: None, "site.bytes": 1e300}
    site.probes.causes[PROBE] = "no answer " * 100
    site.agent.recorder.share, site.agent.recorder._tidied_us = 0.85, 2**62
    site.live(30)
    taken = [parse_batch(request.body) for request, _ in site.centre.got]
    assert sum(reading.seq > 0 for batch in taken for reading in batch.readings) > 40
    assert [len(note["cause"]) for note in site.centre.notes("sensor_fault")] == [200]


def test_more_alarms_at_once_than_the_centre_takes_leave_in_more_than_one_batch(tmp_path: Path) -> None:
    """All of them, each once."""
    site = Site(tmp_path, watches=tuple(a_watch(f"site.probe-{number}") for number in range(1200)))
    site.probes.values = {}
    site.live(20)
    taken = [parse_batch(request.body) for request, _ in site.centre.got]
    assert len({alarm["sensor"] for batch in taken for alarm in batch.alarms}) == 1200


def test_tel_12_before_the_spool_fills_readings_are_thinned_and_the_excursion_is_whole(tmp_path: Path) -> None:
    """Offline with little room: in-range readings are thinned, then left out with a stated gap; out of range stays."""
    site = Site(tmp_path, bound_mb=0.6)
    site.probes._every_s = 10
    site.cut()
    levels = []
    for _ in range(60):
        site.live(60, step_s=10)
        levels.append(site.agent.recorder.level)
        if levels[-1] == "outside_only":
            break
    assert "thinning" in levels
    assert levels[-1] == "outside_only"
    assert any("recording stopped" in text for text in site.ear.now)
    site.probes.values[PROBE] = HOT_C
    hot_from_us = site.time.wall_us()
    site.live(30, step_s=10)
    site.probes.values[PROBE] = GOOD_C
    site.live(5, step_s=10)
    site.mend()
    site.live(90, step_s=10)
    given_rows = {(s.sensor, s.observed_us): s.value for s in site.probes.given}
    arrived = {(row[1], row[2]): row[3] for row in site.centre.readings()}
    assert arrived.items() <= given_rows.items()
    hot = {key for key, value in given_rows.items() if value == HOT_C}
    assert hot <= set(arrived)
    assert min(at for _, at in hot) >= hot_from_us
    thinned = site.centre.notes("thinned")
    numbers = {row[4] for row in site.centre.readings()}
    gaps = site.centre.gaps()
    assert {gap["cause"] for gap in gaps} == {"spool_full"}
    for gap in gaps:
        missing = set(range(gap["first"], gap["last"] + 1)) - numbers
        assert len(missing) == gap["count"]
    dropped = sum(window["count"] for window in thinned)
    assert dropped > 100
    assert site.agent.recorder.level == "recording"
    assert not any("recording stopped" in text for text in site.ear.now)


def test_tel_12_a_spool_that_is_full_stops_loudly_and_the_alarm_goes_on(tmp_path: Path) -> None:
    """Even out-of-range readings have no room: the site hears both, and the numbers of the gap are all stated."""
    site = Site(tmp_path, bound_mb=0.3)
    site.probes._every_s = 10
    site.probes.values = {PROBE: HOT_C, SECOND: HOT_C}
    site.cut()
    while site.agent.recorder.level != "stopped":
        site.live(60, step_s=10)
    site.live(60, step_s=10)
    assert {t.split(":")[0] for t in site.ear.now} == {"cordoba", "Fridge 1", "Fridge 1, lower shelf"}
    site.mend()
    site.live(60, step_s=10)
    numbers = {row[4] for row in site.centre.readings()}
    stated = {n for gap in site.centre.gaps() for n in range(gap["first"], gap["last"] + 1)}
    assert set(range(1, len(site.probes.given) + 1)) <= numbers | stated
    assert not stated & numbers
    assert len(stated) >= 700


def test_tel_12_a_full_disk_stops_no_alarm_and_is_stated_once_there_is_room(tmp_path: Path) -> None:
    """Every write fails for a while: alarms and heartbeats leave from memory, the gap names exactly what was lost."""
    disk = Disk(Random(1))
    site = Site(tmp_path, open_with=disk.open)
    site.live(10)
    before = len(site.centre.got)
    given_before = len(site.probes.given)
    site.probes.values[PROBE] = HOT_C
    for _ in range(60):
        disk.plan("full", 1)
        site.agent.step()
        site.time.true_s += 20
    assert site.agent.recorder.level == "stopped"
    assert any("recording stopped" in text for text in site.ear.now)
    assert any(
        "out of range" in alarm["rule"] or alarm["rule"] == "excursion"
        for _, d in site.centre.got[before:]
        for alarm in d.get("alarms", [])
    )
    assert "heartbeat" in site.centre.kinds()[before:]
    lost = len(site.probes.given) - given_before
    disk.plan("", -1)
    site.live(10)
    numbers = {row[4] for row in site.centre.readings()}
    stated = [n for gap in site.centre.gaps() for n in range(gap["first"], gap["last"] + 1)]
    assert len(stated) == len(set(stated))
    assert set(range(1, len(site.probes.given) + 1)) == numbers | set(stated)
    assert 0 < len(stated) <= lost
    assert {gap["cause"] for gap in site.centre.gaps()} == {"disk_failed"}
    assert not any("recording stopped" in text for text in site.ear.now)


def test_an_answer_to_what_newer_alarms_drove_out_of_memory_is_harmless(tmp_path: Path) -> None:
    """A full disk and a slow line: whether the centre takes or refuses it, the others still go out."""
    for status in (202, 422):
        site, answers = Site(tmp_path / str(status)), list[Answer]()
        sender, now_us = site.agent.sender, site.time.wall_us()
        site.live(1)
        site.centre.answer = lambda left=answers: left.pop() if left else None  # type: ignore[method-assign,misc]
        sender.keep_loose(loose(0))
        sender.step(now_us)
        assert sender.is_busy
        for number in range(1, MOST_LOOSE + 1):
            sender.keep_loose(loose(number))
        answers.append(Answer(status, {"digest": "0"}))
        sender.step(now_us)
        assert [batch.digest for batch in sender.loose] == [str(n) for n in range(1, MOST_LOOSE + 1)]


def test_heartbeats_in_memory_drive_out_no_alarm(tmp_path: Path) -> None:
    """Of those that wait without a disk and without a line only the newest is kept."""
    sender = Site(tmp_path).agent.sender
    sender.keep_loose(loose(0))
    for number in range(1, 2 * MOST_LOOSE):
        sender.keep_loose(loose(number, "heartbeat"))
    assert [(b.kind, b.digest) for b in sender.loose] == [("alarm", "0"), ("heartbeat", str(2 * MOST_LOOSE - 1))]


def test_a_commit_that_said_no_and_was_written_is_not_called_lost(tmp_path: Path) -> None:
    """The error came back after the bytes were on the disk: those readings are there, and no gap names them."""
    for seed in range(8):
        disk = Disk(Random(seed))
        site = Site(tmp_path / str(seed), open_with=disk.open)
        site.live(3)
        disk.plan("full", 3)  # BEGIN, the rows, COMMIT
        site.live(3)
        disk.plan("", -1)
        site.live(3)
        numbers = [row[4] for row in site.centre.readings()]
        stated = {n for gap in site.centre.gaps() for n in range(gap["first"], gap["last"] + 1)}
        assert len(numbers) == len(set(numbers))
        assert not stated & set(numbers)
        assert set(numbers) | stated == set(range(1, len(site.probes.given) + 1))


class Sure(Random):
    """Of what may be, all is."""

    def random(self) -> float:
        return 0.0


class Bench:
    """A recorder alone, on a disk that fails as told."""

    def __init__(self, folder: Path) -> None:
        self.disk, self._now_us = Disk(Sure()), START_S * 1_000_000
        self.spool = Spool(folder, bound_bytes=64 * MB, open_with=self.disk.open)
        self.recorder = Recorder(self.spool, keys_in(folder), Judge([a_watch()], 0.0))
        self.recorder.begin(self._now_us)

    def step(self, *values: float, after_s: int = 5) -> None:
        """A step with these readings of the probe, a little later."""
        self._now_us += after_s * 1_000_000
        samples = [Sample(PROBE, self._now_us, value) for value in values]
        self.recorder.step(samples, self._now_us, "{}", is_reachable=False)

    def gaps(self) -> list[tuple[int, int, int, str]]:
        """What the disk holds."""
        with sqlite3.connect(self.spool.path) as db:
            return db.execute("SELECT first, last, count, cause FROM gap ORDER BY first").fetchall()


def test_a_gap_that_is_written_twice_is_not_told_too_small(tmp_path: Path) -> None:
    """A commit said no and had kept one of two; what is lost after it is added, and the one is taken off once."""
    bench = Bench(tmp_path)
    bench.step(GOOD_C)
    bench.recorder.share = 0.92
    bench.disk.plan("full", 5)  # BEGIN, the rows, the notes, the excursions, COMMIT
    bench.step(HOT_C, GOOD_C)
    assert bench.disk.met
    assert bench.gaps() == [(3, 3, 1, "disk_failed")]
    bench.step(GOOD_C, GOOD_C)
    bench.step(GOOD_C, after_s=20)
    assert (3, 5, 3, "disk_failed") in bench.gaps()
    assert bench.spool.stored(1, 1, 9) == {1, 2, 6}


def test_a_disk_that_fails_takes_nothing_off_a_gap_of_a_full_spool(tmp_path: Path) -> None:
    """What was kept between the numbers that were left out was never counted as lost."""
    bench = Bench(tmp_path)
    bench.step(GOOD_C)
    bench.recorder.share = 0.92
    bench.step(GOOD_C, HOT_C, GOOD_C, after_s=1)
    assert bench.gaps() == [(2, 4, 2, "spool_full")]
    bench.recorder.say({"kind": "clock_stepped"})
    bench.disk.plan("full", 1)
    bench.step(after_s=1)
    assert bench.recorder.trouble
    assert bench.gaps() == [(2, 4, 2, "spool_full")]


def test_the_ballast_is_given_up_when_the_disk_is_full_and_kept_again(tmp_path: Path) -> None:
    """A megabyte that makes room for the gap."""
    disk = Disk(Random(3))
    site = Site(tmp_path, open_with=disk.open)
    assert (tmp_path / "ballast").stat().st_size == MB
    site.live(2)
    disk.plan("full", 1)
    site.agent.step()
    while site.agent.recorder.level != "stopped":
        site.time.true_s += 20
        disk.plan("full", 1)
        site.agent.step()
    assert not (tmp_path / "ballast").exists()
    disk.plan("", -1)
    site.live(2)
    assert (tmp_path / "ballast").stat().st_size == MB


@pytest.mark.parametrize("byte", range(0, 4096, 97))
def test_a_batch_of_the_spool_with_a_changed_byte_is_never_taken_for_another(byte: int, tmp_path: Path) -> None:
    """Whatever byte of the packed body is flipped: unreadable, or the digest does not fit."""
    import hashlib
    import zlib

    spool = a_spool(tmp_path)
    spool.start(0)
    spool.record(1, rows(1, 40), [])
    seal(spool, tmp_path)
    with sqlite3.connect(spool.path) as db:
        packed, digest = db.execute("SELECT body, digest FROM batch JOIN payload USING (n)").fetchone()
    changed = bytearray(packed)
    changed[byte % len(changed)] ^= 0x41
    try:
        body = zlib.decompress(bytes(changed))
    except zlib.error:
        return
    assert hashlib.sha256(body).hexdigest() != digest
    assert json.loads(body)
