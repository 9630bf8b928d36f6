"""The append-only log: what was acknowledged is there, a torn tail is cut, damage never gives a wrong reading."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from waystation.kernel.refusals import TooLarge, Unavailable
from waystation.telemetry.store.log import MAX_FRAME_BYTES, Frame, Log, Position, _framed

CRASHES = 200


def frame(number: int, readings: int = 3) -> Frame:
    """A frame whose values tell its number."""
    head = {"site": "s", "machine": "m", "source_class": "signed_batch", "received_us": number, "sensors": ["a"]}
    rows = range(readings)
    return Frame(head, [0 for _ in rows], [number * 1000 + r for r in rows], [float(number)] * readings, list(rows))


def numbers(log: Log, after: Position | None = None) -> list[int]:
    """The numbers of the frames that a reader sees."""
    return [f.head["received_us"] for f, _ in log.read(after or Position(1, 0))]


@given(st.lists(st.tuples(st.integers(-(2**60), 2**60), st.floats(), st.integers(0, 2**63)), max_size=20))
def test_a_frame_reads_back_as_it_was_written(rows: list[tuple[int, float, int]]) -> None:
    """Every value bit for bit, NaN too."""
    written = Frame({"sensors": ["a"]}, [0] * len(rows), *map(list, zip(*rows, strict=True)) if rows else ([], [], []))
    read = Frame.decode(written.encode())
    assert list(read.at_us) == list(written.at_us)
    assert repr(list(read.value)) == repr(list(written.value))
    assert list(read.seq) == list(written.seq)


def test_frames_come_back_in_order_from_any_position(tmp_path: Path) -> None:
    """A reader goes on where it stopped, over files."""
    log = Log(tmp_path)
    ends = [log.append([frame(1)]), log.append([frame(2), frame(3)])]
    log.rotate()
    log.append([frame(4)])
    assert numbers(log) == [1, 2, 3, 4]
    assert numbers(log, ends[0]) == [2, 3, 4]
    assert numbers(log, ends[1]) == [4]
    assert numbers(log, log.end()) == []


def test_a_frame_that_no_reader_would_take_is_never_written(tmp_path: Path) -> None:
    """It and all that came with it are refused; what is written next is read."""
    log = Log(tmp_path)
    log.append([frame(1)])
    before = log.end()
    with pytest.raises(TooLarge):
        log.append([frame(2), Frame({"sensors": ["a" * MAX_FRAME_BYTES]}, [0], [1], [2.0], [3])])
    assert log.end() == before
    log.append([frame(3)])
    assert numbers(log) == [1, 3]


def test_a_torn_tail_is_cut_before_the_next_append(tmp_path: Path) -> None:
    """For every length that a crash may leave, what was whole stays and the next frame is readable."""
    whole = Log(tmp_path / "whole")
    whole.append([frame(1), frame(2)])
    data = (tmp_path / "whole" / "0000000001.log").read_bytes()
    second = len(data) // 2
    for cut in range(second, len(data)):
        folder = tmp_path / f"cut-{cut}"
        folder.mkdir()
        (folder / "0000000001.log").write_bytes(data[:cut])
        log = Log(folder)
        assert numbers(log) == [1]
        log.append([frame(9)])
        assert numbers(log) == [1, 9]


def test_a_flipped_byte_never_gives_a_wrong_reading(tmp_path: Path) -> None:
    """Whatever byte is damaged, a reader sees a prefix of what was written."""
    log = Log(tmp_path)
    log.append([frame(1), frame(2), frame(3)])
    path = tmp_path / "0000000001.log"
    data = path.read_bytes()
    for place in range(0, len(data), 7):
        path.write_bytes(data[:place] + bytes([data[place] ^ 0x55]) + data[place + 1 :])
        seen = numbers(Log(tmp_path))
        assert seen == [1, 2, 3][: len(seen)]


def test_a_full_disk_stops_acceptance_loudly_until_there_is_room(tmp_path: Path) -> None:
    """The refusal says why; with room again the same process goes on, and the refused frame is nowhere."""
    log = Log(tmp_path)
    log.append([frame(1)])
    log._close()
    log._file = 1
    log._descriptor = os.open("/dev/full", os.O_WRONLY)
    with pytest.raises(Unavailable, match=r"No space left.*must free the disk") as refused:
        log.append([frame(2)])
    assert refused.value.retry_after_s
    log.append([frame(3)])
    assert numbers(log) == numbers(Log(tmp_path)) == [1, 3]


def test_a_frame_that_fits_only_in_part_is_cut_off_again(tmp_path: Path) -> None:
    """A limit on the file's size stops the write in its middle: what was acknowledged stands, and the next one fits."""
    code = (
        "import resource, signal, sys; from pathlib import Path; from tests.rooms.telemetry.test_log import frame;"
        "from waystation.kernel.refusals import TooLarge, Unavailable;"
        "from waystation.telemetry.store.log import Log; log = Log(Path(sys.argv[1])); end = log.append([frame(1)]);"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
        "hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1];"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (end.offset + 20, hard));\n"
        "try:\n    log.append([frame(2)]); sys.exit(3)\nexcept Unavailable: pass\n"
        "assert log.end() == end, log.end();"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard)); log.append([frame(3)])"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert numbers(Log(tmp_path)) == [1, 3]


def test_a_failed_sync_stops_acceptance_for_good(tmp_path: Path) -> None:
    """Bytes that were taken and cannot be synced: nothing more is accepted until the process starts again."""
    log = Log(tmp_path)
    log.append([frame(1)])
    log._close()
    log._file = 1
    log._descriptor = os.open(os.devnull, os.O_WRONLY)  # takes bytes, and cannot be synced
    with pytest.raises(Unavailable, match="mend the disk and restart"):
        log.append([frame(2)])
    with pytest.raises(Unavailable, match="mend the disk and restart"):
        log.append([frame(3)])
    again = Log(tmp_path)
    again.append([frame(4)])
    assert numbers(again) == [1, 4]


def test_two_processes_may_append(tmp_path: Path) -> None:
    """Every frame of both is there, none torn."""
    code = (
        "import sys; from pathlib import Path; from tests.rooms.telemetry.test_log import frame;"
        "from waystation.telemetry.store.log import Log; log = Log(Path(sys.argv[1]));"
        "[log.append([frame(int(sys.argv[2]) + i)]) for i in range(100)]"
    )
    both = [subprocess.Popen([sys.executable, "-c", code, str(tmp_path), str(start)]) for start in (1000, 2000)]
    assert [p.wait(60) for p in both] == [0, 0]
    seen = numbers(Log(tmp_path))
    assert sorted(seen) == [*range(1000, 1100), *range(2000, 2100)]
    assert [n for n in seen if n < 2000] == list(range(1000, 1100))


def crash_history(seed: int, folder: Path) -> None:
    """Appends, rotations and crashes that leave any part of what was not acknowledged: the acknowledged is there."""
    chance, log = random.Random(seed), Log(folder)
    acknowledged: list[int] = []
    for number in range(1, 13):
        what = chance.random()
        if what < 0.5:
            log.append([frame(number, chance.randrange(1, 4))])
            acknowledged.append(number)
        elif what < 0.6:
            log.rotate()
        else:
            newest = folder / f"{log.end().file:010d}.log"
            torn = _framed(frame(number, chance.randrange(1, 4)).encode())
            if newest.exists():
                left = torn[: chance.randrange(len(torn))] + b"\0" * chance.choice([0, 0, 3, 4096])
                log._recover(log.end().file)  # as the append does in whose middle the crash falls
                with newest.open("ab") as file:
                    file.write(left)
                if left.startswith(torn):  # only zeros were missing, so the frame is whole
                    acknowledged.append(number)
            log = Log(folder)
        assert numbers(log) == acknowledged
    assert numbers(Log(folder)) == acknowledged


def test_tel_no_crash_point_loses_or_invents_a_frame(tmp_path: Path) -> None:
    """Whatever part of an unacknowledged frame is left, with or without zeros behind it."""
    for seed in range(CRASHES):
        crash_history(seed, tmp_path / str(seed))
