"""Drivers and sounders against what they meet: files of the kernel, a peer that speaks as upsd does, a modem."""

from __future__ import annotations

import os
import select
import socket
import threading
import tty
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.edge.stage import START_S, Ear, Time
from waystation.edge import parts
from waystation.edge.clock import SteadyClock
from waystation.edge.drivers.nut.driver import answer_of
from waystation.edge.drivers.w1.driver import parse
from waystation.edge.ports import Sample, Sounding
from waystation.edge.sounders.sms.sounder import plain
from waystation.edge.threads import Apart, Polled, Threaded
from waystation.kernel.refusals import BadInput

NOW_US = START_S * 1_000_000
GOOD = "72 01 4b 46 7f ff 0e 10 57 : crc=57 YES\n72 01 4b 46 7f ff 0e 10 57 t=23125\n"
ALARM = Sounding("cordoba.fridge-1.probe-1", "excursion", NOW_US, "Fridge 1: out of range, 12.5")


def test_int_05_a_one_wire_thermometer_is_read(tmp_path: Path) -> None:
    """Degrees, the failed checksum, and a thermometer that is not there."""
    for name, text in (("28-1", GOOD), ("28-2", GOOD.replace("YES", "NO")), ("28-3", "")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "w1_slave").write_text(text)
    sensors = {"a": "28-1", "b": "28-2", "c": "28-3", "d": "28-4"}
    driver = parts.driver("w1", {"sensors": sensors, "folder": str(tmp_path)})
    assert driver.read(NOW_US) == [
        Sample("a", NOW_US, 23.125),
        Sample("b", NOW_US, None, "checksum"),
        Sample("c", NOW_US, None, "checksum"),
        Sample("d", NOW_US, None, "not_connected"),
    ]


@pytest.mark.parametrize(
    ("said", "found"),
    [
        ("aa 00 55 00 7f ff 0c 10 b4 : crc=b4 YES\naa 00 55 00 7f ff 0c 10 b4 t=-10500\n", (-10.5, "")),
        ("50 05 4b 46 7f ff 0c 10 1c : crc=1c YES\n50 05 4b 46 7f ff 0c 10 1c t=85000\n", (None, "power_on_value")),
        ("50 05 4b 46 7f ff 10 10 1c : crc=1c YES\n50 05 4b 46 7f ff 10 10 1c t=85000\n", (85.0, "")),
        ("72 01 : crc=57 YES\n", (None, "unreadable")),
        ("72 01 : crc=57 YES\n72 01 t=\n", (None, "unreadable")),
        ("72 01 : crc=57 YES\n72 01 t=--5\n", (None, "unreadable")),
        ("72 01 : crc=57 YES\n72 01 t=²\n", (None, "unreadable")),
    ],
)
def test_a_one_wire_register_is_read_or_said_to_be_none(said: str, found: tuple[float | None, str]) -> None:
    """85 degC with the power-on register is no measurement; 85 degC that was measured is one."""
    assert parse(said) == found


@given(st.text(max_size=80))
def test_no_text_breaks_the_one_wire_reader(said: str) -> None:
    """Whatever a file holds: a value or a cause, never both and never neither."""
    value, cause = parse(said)
    assert (value is None) == bool(cause)


def test_int_05_a_file_is_one_reading_per_writing(tmp_path: Path) -> None:
    """Read once, at the instant of its writing; written again, read again; what is no number is said so."""
    path = tmp_path / "probe"
    driver = parts.driver("file", {"sensors": {"a": str(path)}})
    assert driver.read(NOW_US) == [Sample("a", NOW_US, None, "no_file")]
    for number, (text, value, cause) in enumerate(
        [("4.5\n", 4.5, ""), ("warm", None, "unreadable"), ("nan", None, "no_number")]
    ):
        path.write_text(text)
        at_s = START_S - 60 + number
        os.utime(path, (at_s, at_s))
        assert driver.read(NOW_US) == [Sample("a", at_s * 1_000_000, value, cause)]
        assert driver.read(NOW_US) == []
    os.utime(path, (START_S + 900, START_S + 900))
    assert driver.read(NOW_US)[0].observed_us == NOW_US


def test_files_that_are_written_after_the_clock_was_set_back_are_not_dated_before(tmp_path: Path) -> None:
    """Until the clock has caught up, the instant is that of the reading."""
    path = tmp_path / "probe"
    driver = parts.driver("file", {"sensors": {"a": str(path)}})
    found = []
    for minute, written_s in enumerate([START_S, START_S - 3540, START_S - 3480]):
        path.write_text(f"{minute}\n")
        os.utime(path, (written_s, written_s))
        found += driver.read(NOW_US + minute * 60_000_000)
    assert [s.observed_us - NOW_US for s in found] == [0, 60_000_000, 120_000_000]


class Upsd(threading.Thread):
    """Speaks as RFC 9271 writes: `GET VAR`, quoted values with escapes, `ERR`; one connection after the other."""

    def __init__(self, variables: dict[str, str]) -> None:
        super().__init__(daemon=True)
        self.variables, self.rest = variables, ""
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        self.asked: list[str] = []

    def run(self) -> None:
        """Answer until the socket is closed."""
        while True:
            try:
                line, _ = self._socket.accept()
            except OSError:
                return
            with line, line.makefile("rw", newline="\n") as talk:
                for words in talk:
                    self.asked.append(words.strip())
                    talk.write(self._answer(words.split()))
                    talk.flush()

    def _answer(self, words: list[str]) -> str:
        if self.rest:
            return self.rest
        if words[:2] != ["GET", "VAR"] or len(words) != 4:
            return "ERR INVALID-ARGUMENT\n"
        if words[2] != "cabinet":
            return "ERR UNKNOWN-UPS\n"
        value = self.variables.get(words[3])
        return "ERR VAR-NOT-SUPPORTED\n" if value is None else f'VAR {words[2]} {words[3]} "{value}"\n'

    def close(self) -> None:
        """Take no more connections."""
        if self._socket.fileno() >= 0:
            self._socket.shutdown(socket.SHUT_RDWR)
            self._socket.close()


@pytest.fixture
def upsd() -> Iterator[Upsd]:
    """A UPS on the mains."""
    peer = Upsd({"ups.status": "OL CHRG", "battery.charge": "87", "battery.runtime": "1800"})
    peer.start()
    yield peer
    peer.close()


def nut(peer: Upsd, ups: str = "cabinet", **sensors: str) -> list[Sample]:
    """One round of readings."""
    options = {"ups": ups, "address": f"127.0.0.1:{peer.port}", "sensors": sensors}
    return list(parts.driver("nut", options).read(NOW_US))


def test_pwr_02_a_ups_is_read_through_nut(upsd: Upsd) -> None:
    """Mains, charge and low battery as numbers; each variable is asked once; what it lacks has its cause."""
    found = nut(upsd, m="mains", c="charge", l="low", r="runtime_s", v="input_v")
    assert [(s.sensor, s.value, s.cause) for s in found] == [
        ("m", 1.0, ""),
        ("c", 87.0, ""),
        ("l", 0.0, ""),
        ("r", 1800.0, ""),
        ("v", None, "var-not-supported"),
    ]
    assert sorted(upsd.asked) == sorted(set(upsd.asked))


@pytest.mark.parametrize(
    ("status", "mains", "low"),
    [("OL", 1.0, 0.0), ("OB DISCHRG", 0.0, 0.0), ("OB LB", 0.0, 1.0), ("FSD OB LB", 0.0, 1.0)],
)
def test_pwr_02_the_words_of_a_ups_s_status(upsd: Upsd, status: str, mains: float, low: float) -> None:
    """On battery, low battery, forced shutdown."""
    upsd.variables["ups.status"] = status
    assert [s.value for s in nut(upsd, m="mains", l="low")] == [mains, low]


@pytest.mark.parametrize("rest", ['VAR other ups.status "OL"\n', 'VAR cabinet ups.status "OL\n', "hello\n", "VAR\n"])
def test_what_is_no_answer_of_upsd_is_no_value(upsd: Upsd, rest: str) -> None:
    """Another UPS's name, a broken quote, something else: no value, and the mains are not said to be there."""
    upsd.rest = rest
    assert [(s.value, s.cause) for s in nut(upsd, m="mains")] == [(None, "unreadable")]


def test_a_ups_that_is_not_there_has_no_value(upsd: Upsd) -> None:
    """Unknown to upsd, or upsd not running."""
    assert [s.cause for s in nut(upsd, ups="other", m="mains")] == ["unknown-ups"]
    upsd.close()
    assert [s.cause for s in nut(upsd, m="mains", c="charge")] == ["no_answer", "no_answer"]


def test_an_escaped_quote_in_a_value_is_read() -> None:
    """RFC 9271 escapes quotes and backslashes."""
    assert answer_of('VAR u ups.model "a \\"b\\" c"', "u", "ups.model") == 'a "b" c'


def test_a_relay_closes_and_opens(tmp_path: Path) -> None:
    """1 while anything sounds, 0 else; written again after ten seconds in case something else opened it."""
    path = tmp_path / "value"
    path.write_text("9")
    relay = parts.sounder("relay", {"path": str(path)})
    relay.sound([], NOW_US)
    assert path.read_text() == "0"
    relay.sound([ALARM], NOW_US)
    assert path.read_text() == "1"
    path.write_text("0")
    relay.sound([ALARM], NOW_US + 5_000_000)
    assert path.read_text() == "0"
    relay.sound([ALARM], NOW_US + 11_000_000)
    assert path.read_text() == "1"


def test_a_relay_that_cannot_be_written_is_an_error_and_is_tried_again(tmp_path: Path) -> None:
    """No such folder; once it is there the relay closes at the next step."""
    relay = parts.sounder("relay", {"path": str(tmp_path / "gpio" / "value")})
    with pytest.raises(OSError, match="value"):
        relay.sound([ALARM], NOW_US)
    (tmp_path / "gpio").mkdir()
    relay.sound([ALARM], NOW_US + 1)
    assert (tmp_path / "gpio" / "value").read_text() == "1"


class Modem(threading.Thread):
    """A modem on the other end of a pseudo-terminal: answers AT commands, keeps the texts."""

    def __init__(self, fails: bool = False) -> None:
        super().__init__(daemon=True)
        self._line, other = os.openpty()
        tty.setraw(self._line)
        tty.setraw(other)
        self.device, self._other = os.ttyname(other), other
        self.fails = fails
        self.sent: list[tuple[str, str]] = []
        self._number = ""
        self._unplugged = threading.Event()

    def run(self) -> None:
        """Read to the end of a command or a text, answer it."""
        held = ""
        while not self._unplugged.is_set():
            if not select.select([self._line], [], [], 0.05)[0]:
                continue
            held += os.read(self._line, 256).decode()
            while "\r" in held or "\x1a" in held:
                end = min(i for i in (held.find("\r"), held.find("\x1a")) if i >= 0)
                os.write(self._line, self._answer(held[:end], held[end]).encode())
                held = held[end + 1 :]

    def _answer(self, words: str, end: str) -> str:
        if end == "\x1a":
            if self.fails:
                return "\r\n+CMS ERROR: 500\r\n"
            self.sent.append((self._number, words))
            return "\r\n+CMGS: 1\r\n\r\nOK\r\n"
        if words.startswith("AT+CMGS="):
            self._number = words.partition("=")[2].strip('"')
            return "\r\n> "
        return "\r\nOK\r\n"

    def close(self) -> None:
        """Pull the cable."""
        self._unplugged.set()
        self.join()
        os.close(self._line)
        os.close(self._other)


def test_tel_12_an_alarm_is_texted_once_to_each_number_and_again_after_half_an_hour() -> None:
    """Not at every step; when it has ended and comes again, at once."""
    modem = Modem()
    modem.start()
    sms = parts.sounder("sms", {"device": modem.device, "numbers": ["+34600000001", "+34600000002"]})
    text = "Fridge 1: out of range, 12.5"
    for later_s, count in ((0, 2), (60, 2), (1801, 4)):
        sms.sound([ALARM], NOW_US + later_s * 1_000_000)
        assert len(modem.sent) == count
    sms.sound([], NOW_US + 1900 * 1_000_000)
    sms.sound([ALARM], NOW_US + 1901 * 1_000_000)
    modem.close()
    assert modem.sent == [("+34600000001", text), ("+34600000002", text)] * 3


def test_a_text_that_the_network_refuses_is_an_error_and_is_tried_again() -> None:
    """The first fails and is said; the second step sends it."""
    modem = Modem(fails=True)
    modem.start()
    sms = parts.sounder("sms", {"device": modem.device, "numbers": ["+34600000001"]})
    with pytest.raises(OSError, match="500"):
        sms.sound([ALARM], NOW_US)
    modem.fails = False
    sms.sound([ALARM], NOW_US + 1)
    modem.close()
    assert len(modem.sent) == 1


def test_a_modem_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    """A device that does not exist."""
    sms = parts.sounder("sms", {"device": str(tmp_path / "none"), "numbers": ["+34600000001"]})
    with pytest.raises(OSError, match="none"):
        sms.sound([ALARM], NOW_US)


@given(st.text(max_size=400))
def test_a_text_cannot_end_itself_or_start_a_command(words: str) -> None:
    """Whatever a sensor is called: printable, one line, at most 160 characters."""
    said = plain(words)
    assert len(said) <= 160
    assert all(" " <= c <= "~" for c in said)


@pytest.mark.parametrize(
    ("of", "kind", "options", "named"),
    [
        ("driver", "telepathy", {}, "file, modbus, nut, reach, snmp, w1"),
        ("driver", "w1", {}, "sensors"),
        ("driver", "w1", {"sensors": {"a": 1}}, "sensors"),
        ("driver", "nut", {"ups": "u", "sensors": {"a": "colour"}}, "colour"),
        ("driver", "nut", {"sensors": {"a": "mains"}}, "ups"),
        ("sounder", "horn", {}, "relay, sms"),
        ("sounder", "relay", {}, "path"),
        ("sounder", "sms", {"device": "/dev/x", "numbers": ["600"]}, "600"),
        ("sounder", "sms", {"device": "/dev/x", "numbers": "+34600000001"}, "numbers"),
    ],
)
def test_what_a_part_cannot_use_is_named(of: str, kind: str, options: dict[str, object], named: str) -> None:
    """The kind, or the option."""
    make = parts.driver if of == "driver" else parts.sounder
    with pytest.raises(BadInput) as refused:
        make(kind, options)
    assert named in str(refused.value)


class Slow:
    """A driver whose instrument hangs, or fails."""

    def __init__(self) -> None:
        self.go = threading.Event()
        self.fails = False

    def read(self, now_us: int) -> list[Sample]:
        """When it may."""
        if self.fails:
            raise OSError("bus error")
        self.go.wait(10)
        return [Sample("a", now_us, 1.0)]


def test_a_driver_that_hangs_makes_nobody_wait() -> None:
    """The agent's step asks and goes on; what is read later comes later."""
    driver, time = Slow(), Time()
    source = Threaded(driver, 60.0, time)
    assert source.poll(0) == []
    driver.go.set()
    found: list[Sample] = []
    for _ in range(200):
        found += source.poll(0)
        if found:
            break
        threading.Event().wait(0.02)
    assert [s.sensor for s in found] == ["a"]


def next_of(source: Threaded, now_us: int) -> Sample:
    """What the driver's thread reads next."""
    for _ in range(500):
        for sample in source.poll(now_us):
            return sample
        threading.Event().wait(0.01)
    raise AssertionError("nothing was read")


def test_a_wall_clock_that_is_set_back_dates_no_reading_before_an_earlier_one() -> None:
    """A driver on its thread is told the agent's time, not the machine's."""
    driver, time = Slow(), Time()
    driver.go.set()
    clock, source = SteadyClock(time, 0), Threaded(driver, 60.0, time)
    first = next_of(source, clock.now_us())
    time.skew_s = -3600.0
    time.true_s += 60
    second = next_of(source, clock.now_us())
    assert second.observed_us - first.observed_us == 60_000_000


def test_between_two_steps_of_the_agent_a_driver_s_time_runs_on() -> None:
    """An agent that is late to ask makes no reading look older than it is."""
    driver, time = Slow(), Time()
    driver.go.set()
    source = Threaded(driver, 60.0, time)
    first = next_of(source, time.wall_us())
    time.true_s += 61
    while source._found.empty():
        threading.Event().wait(0.01)
    (second,) = source.poll(time.wall_us())
    assert second.observed_us - first.observed_us == 61_000_000


def test_a_driver_is_asked_once_a_period_and_may_fail() -> None:
    """Missed periods are not made up for; an error is silence."""
    driver, time = Slow(), Time()
    driver.go.set()
    source = Polled(driver, 60.0, time)
    assert len(source.poll(0)) == 1
    assert source.poll(0) == ()
    time.true_s += 600
    assert len(source.poll(0)) == 1
    time.true_s += 30
    assert source.poll(0) == ()
    driver.fails = True
    time.true_s += 31
    assert source.poll(0) == ()


def test_a_sounder_apart_hears_the_newest_and_says_that_it_failed() -> None:
    """Its error comes back at a later step."""
    ear = Ear()
    apart = Apart(ear)
    apart.sound([ALARM], NOW_US)
    for _ in range(200):
        if ear.now:
            break
        threading.Event().wait(0.02)
    assert ear.now == (ALARM.text,)
    ear.is_broken = True
    said = ""
    for _ in range(200):
        try:
            apart.sound([], NOW_US)
        except OSError as error:
            said = str(error)
            break
        threading.Event().wait(0.02)
    assert said == "no such file"
