"""SNMP and Modbus instruments: against real peers on recorded walks, and against peers that misbehave."""

from __future__ import annotations

import gzip
import math
import socket
import struct
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.conftest import SHARED
from tests.edge.peers import V3, free_port, modbus_server, snmp_agent
from waystation.edge import parts
from waystation.edge.drivers.modbus import driver as modbus
from waystation.edge.drivers.snmp import driver as snmp
from waystation.edge.drivers.snmp.known import KNOWN
from waystation.edge.ports import Sample
from waystation.edge.raw import parse
from waystation.kernel.refusals import BadInput

WALKS = SHARED / "protocol_fixtures" / "snmp"
FILES = {
    "geist": "geist-temperature-sensor.snmprec",
    "eaton": "eaton-9px-partial.snmprec",
    "huawei": "huawei-gse200m.snmprec",
    "apc": "apc-7902b.snmprec.gz",
}
UPTIME = "1.3.6.1.2.1.1.3.0"
GEIST = "1.3.6.1.4.1.21239.5.1"


def _walk(name: str) -> bytes:
    raw = (WALKS / FILES[name]).read_bytes()
    return gzip.decompress(raw) if FILES[name].endswith(".gz") else raw


def _recorded(name: str) -> dict[str, str]:
    """The walk as text by object: what the device said, before anybody interpreted it."""
    rows = (line.split("|", 2) for line in _walk(name).decode().splitlines() if line.count("|") >= 2)
    return {oid: bytes.fromhex(value).decode("latin1") if tag.endswith("x") else value for oid, tag, value in rows}


@pytest.fixture(scope="module")
def agent(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The simulator with every recorded walk, and Geist's again as a device that somebody set to Fahrenheit."""
    walks = {name: _walk(name) for name in FILES}
    lines = [line for line in _walk("geist").splitlines() if b"numeric" not in line]
    celsius, fixed = f"{GEIST}.1.7.0|2|1".encode(), [f"{GEIST}.2.1.5.1|2|-34".encode()]
    walks["cold"] = b"\n".join(sorted([*lines, *fixed], key=_in_order)) + b"\n"
    walks["fahrenheit"] = walks["cold"].replace(celsius, celsius[:-1] + b"0")
    with snmp_agent(tmp_path_factory.mktemp("snmp"), walks) as address:
        for name in walks:  # the simulator reads a walk when it is first asked for it
            assert any(_asked(address, name, {"up": UPTIME})["up"].cause != "no_answer" for _ in range(40))
        yield address


def _in_order(line: bytes) -> list[int]:
    return [int(n) for n in line.split(b"|")[0].split(b".")]


def _asked(address: str, community: str, sensors: Mapping[str, str], **more: str) -> dict[str, Sample]:
    it = parts.driver("snmp", {"address": address, "community": community, "sensors": sensors} | more)
    assert isinstance(it, snmp.Snmp)
    try:
        return {s.sensor: s for s in it.read(1_000_000)}
    finally:
        it.close()


def test_int_05_a_recorded_ups_says_mains_charge_and_runtime(agent: str) -> None:
    """Eaton's walk by names: each number is the one on record, mains is "normal", the battery 100 %."""
    held, wanted = _recorded("eaton"), {n: n for n in KNOWN if n.startswith("eaton.")}
    found = _asked(agent, "eaton", wanted)
    assert found["eaton.mains"].value == 1.0
    for name, oid in (("runtime_s", "2.1.0"), ("charge", "2.4.0"), ("load_pct", "4.1.0"), ("temperature", "6.1.0")):
        assert found[f"eaton.{name}"].value == float(held[f"1.3.6.1.4.1.534.1.{oid}"])
    assert {s.observed_us for s in found.values()} == {1_000_000}


def test_int_05_what_a_ups_does_not_measure_is_no_measurement(agent: str) -> None:
    """Huawei's walk says -1 for charge and runtime: no value, with that cause; mains and low battery are told."""
    found = _asked(agent, "huawei", {n: n for n in KNOWN if n.startswith("ups.")})
    assert {n: found[n].cause for n in ("ups.charge", "ups.runtime_s")} == {
        "ups.charge": "no_measurement",
        "ups.runtime_s": "no_measurement",
    }
    assert (found["ups.mains"].value, found["ups.low"].value) == (1.0, 0.0)
    assert found["ups.battery_v"].value == 538.5


def test_int_05_an_environmental_sensor_is_read_in_degrees_only_while_it_is_set_to_them(agent: str) -> None:
    """-3.4 °C as the device has it; set to Fahrenheit it says another unit, which is no measurement, not -3.4."""
    sensors = {"t": "geist.temperature", "rh": "geist.humidity"}
    assert _asked(agent, "cold", sensors)["t"].value == -3.4
    found = _asked(agent, "fahrenheit", sensors)
    assert (found["t"].value, found["t"].cause) == (None, "other_unit")
    moving = _asked(agent, "geist", sensors)
    # the walk's numbers move with the clock, and the simulator wraps a number to at most `min + max`
    assert 10.0 <= (moving["t"].value or 0) <= 40.0
    assert 25 <= (moving["rh"].value or 0) <= 75


def test_int_05_every_number_of_every_walk_is_read_as_recorded(agent: str) -> None:
    """Twenty-five objects of each walk by themselves: integers alike, texts and objects are no numbers."""
    chance = Random(7)
    for name in FILES:
        held = {oid: said for oid, said in _recorded(name).items() if "scale=" not in said}
        some = chance.sample(sorted(held), min(25, len(held)))
        found = _asked(agent, name, {f"s{n}": oid for n, oid in enumerate(some)})
        for number, oid in enumerate(some):
            said, one = held[oid], found[f"s{number}"]
            if said.lstrip("-").isdigit():
                assert one.value == float(said), (name, oid)
            else:
                assert one.value is None or one.value == float(said), (name, oid)
                assert one.value is not None or one.cause == "no_such_object"


def test_int_05_version_3_is_signed_and_encrypted_and_a_wrong_key_reads_nothing(agent: str, tmp_path: Path) -> None:
    """The same number by version 3; with another key the device refuses, and nothing is invented."""
    user, auth, priv = V3
    (tmp_path / "auth").write_text(f"{auth}\n")
    (tmp_path / "priv").write_text(f"{priv}\n")
    (tmp_path / "wrong").write_text("another-key-altogether")
    held = {"version": "3", "user": user, "auth": "sha", "context": "eaton"}
    files = {"auth_file": str(tmp_path / "auth"), "priv_file": str(tmp_path / "priv")}
    assert _asked(agent, "x", {"c": "eaton.charge"}, **held, **files)["c"].value == 100.0
    wrong = _asked(agent, "x", {"c": "eaton.charge"}, **held, **files | {"auth_file": str(tmp_path / "wrong")})["c"]
    assert (wrong.value, wrong.cause) == (None, "refused")


def test_int_05_an_agent_that_does_not_answer_or_know_the_object_silences_its_sensors(agent: str) -> None:
    """A wrong community and a dead port are no answer; an object that is not there is said to be that."""
    assert _asked(agent, "nobody", {"c": "eaton.charge"})["c"].cause == "no_answer"
    dead = f"127.0.0.1:{free_port(socket.SOCK_DGRAM)}"
    assert _asked(dead, "eaton", {"c": "eaton.charge"})["c"].cause == "no_answer"
    found = _asked(agent, "eaton", {"c": "eaton.charge", "x": "1.3.6.1.4.1.99999.1.0"})
    assert (found["c"].value, found["x"].value, found["x"].cause) == (100.0, None, "no_such_object")


REGISTERS = [213, 65535, 32767, 16840, 0, 0, 16840, 1, 2, 40000]
BITS = "1010000000000001"


@pytest.fixture(scope="module", params=["tcp", "rtu"])
def device(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """A Modbus device 7, spoken to as Modbus TCP and as RTU over TCP."""
    with modbus_server(tmp_path_factory.mktemp("modbus"), REGISTERS, BITS, request.param) as address:
        yield request.param, address


def _points(peer: tuple[str, str], sensors: Mapping[str, str], **more: object) -> dict[str, Sample]:
    framing, address = peer
    it = parts.driver("modbus", {"address": address, "framing": framing, "device": 7, "sensors": sensors} | more)
    return {s.sensor: s for s in it.read(5)}


def test_int_05_modbus_registers_are_read_by_type_word_order_and_scale(device: tuple[str, str]) -> None:
    """Signed, unsigned, two words in either order, tenths, and the code for a missing probe; bits as 0 and 1."""
    found = _points(
        device,
        {
            "tenths": "holding 0 int16 / 10", "signed": "input 1 int16", "unsigned": "input 1 uint16",
            "absent": "holding 2 int16 unless 32767", "float": "holding 3 float32", "big": "input 7 uint32",
            "alarm": "holding 0 uint16 is 213", "coil": "coil 0", "discrete": "discrete 1", "last": "coil 15",
        },
    )  # fmt: skip
    assert {code: s.value for code, s in found.items()} == {
        "tenths": 21.3, "signed": -1.0, "unsigned": 65535.0, "absent": None, "float": 25.0, "big": 65538.0,
        "alarm": 1.0, "coil": 1.0, "discrete": 0.0, "last": 1.0,
    }  # fmt: skip
    assert found["absent"].cause == "no_measurement"
    little = _points(device, {"float": "holding 5 float32", "big": "input 7 uint32"}, word_order="little")
    assert {code: s.value for code, s in little.items()} == {"float": 25.0, "big": 131073.0}


def test_int_05_a_wrong_address_silences_one_sensor_and_a_wrong_device_all(device: tuple[str, str]) -> None:
    """The device's own exception is the cause; its neighbours are read."""
    found = _points(device, {"a": "holding 0 int16", "x": "holding 9000 int16", "b": "holding 1 uint16"})
    assert [(s.value, s.cause) for s in found.values()] == [(213.0, ""), (None, "exception_2"), (65535.0, "")]
    other = _points(device, {"a": "holding 0 int16"}, device=9)["a"]
    assert other.value is None
    assert other.cause


def test_int_05_nothing_but_reads_is_ever_sent_to_an_instrument(tmp_path: Path) -> None:
    """All that arrives at a peer are the four reading functions of Modbus."""
    with socket.create_server(("127.0.0.1", 0)) as door:
        heard: list[bytes] = []
        stop = _listening(door, lambda said: heard.append(said) or b"")
        sensors = {"a": "holding 0 int16", "b": "input 0 int16", "c": "coil 0", "d": "discrete 0"}
        for code, words in sensors.items():
            _points(("tcp", f"127.0.0.1:{door.getsockname()[1]}"), {code: words})
        stop.set()
    assert {said[7] for said in heard if len(said) >= 8} == {1, 2, 3, 4}


@pytest.mark.parametrize("seed", range(6))
def test_int_05_a_peer_that_talks_nonsense_is_no_reading_and_no_crash(seed: int) -> None:
    """Random bytes, half answers, answers of other questions, hanging up: a cause for each, a value for none."""
    chance = Random(seed)

    def nonsense(said: bytes) -> bytes:
        kind = chance.randrange(4)
        if kind == 0:
            return chance.randbytes(chance.randrange(1, 40))
        if kind == 1:  # a header that promises more than it sends
            return said[:4] + struct.pack(">HBBB", 200, said[6], said[7], 198) + b"\0"
        if kind == 2:  # the answer to another transaction
            return struct.pack(">HHHBBBH", 999, 0, 5, said[6], said[7], 2, 213)
        return b""

    with socket.create_server(("127.0.0.1", 0)) as door:
        stop = _listening(door, nonsense)
        found = _points(("tcp", f"127.0.0.1:{door.getsockname()[1]}"), {"a": "holding 0 int16", "b": "coil 1"})
        stop.set()
    assert [(s.value, bool(s.cause)) for s in found.values()] == [(None, True), (None, True)]


def _listening(door: socket.socket, answer: object) -> threading.Event:
    """Answers each thing that arrives, on a thread of its own, until told to stop."""
    stop = threading.Event()
    door.settimeout(0.2)

    def serve() -> None:
        while not stop.is_set():
            try:
                one, _ = door.accept()
            except OSError:
                continue
            with one:
                one.settimeout(0.2)
                try:
                    said = one.recv(300)
                    if said and (reply := answer(said)):  # type: ignore[operator]
                        one.sendall(reply)
                except OSError:
                    continue

    threading.Thread(target=serve, daemon=True).start()
    return stop


@pytest.mark.parametrize(
    ("kind", "options", "said"),
    [
        ("modbus", {"address": "h:502", "sensors": {"a": "holding 70000 int16"}}, "is no Modbus point"),
        ("modbus", {"address": "h:502", "sensors": {"a": "holding 1"}}, "is no Modbus point"),
        ("modbus", {"address": "h:502", "sensors": {"a": "coil 1 int16"}}, "is no Modbus point"),
        ("modbus", {"address": "h:502", "sensors": {"a": "register 1 int16"}}, "is no Modbus point"),
        ("modbus", {"address": "h:502", "sensors": {"a": "holding 1 int16 / 0"}}, "is no conversion"),
        ("modbus", {"address": "h:502", "sensors": {"a": "holding 1 int16 plus 3"}}, "is no conversion"),
        ("modbus", {"address": "h", "sensors": {"a": "coil 1"}}, "Address or device"),
        ("modbus", {"address": "h:502", "device": 300, "sensors": {"a": "coil 1"}}, "Address or device"),
        ("modbus", {"address": "h:502", "framing": "ascii", "sensors": {"a": "coil 1"}}, "not known"),
        ("snmp", {"address": "h:161", "sensors": {"a": "ups.mood"}}, "neither a known reading nor an object"),
        ("snmp", {"address": "h:161", "version": "1", "sensors": {"a": "ups.mains"}}, "not known"),
        ("snmp", {"address": "h", "sensors": {"a": "ups.mains"}}, "address cannot be used"),
        ("snmp", {"address": "h:161", "sensors": {}}, "no table of texts"),
        (
            "snmp",
            {"address": "h:161", "version": "3", "user": "u", "auth_file": "/nonexistent", "sensors": {"a": "ups.low"}},
            "No such file",
        ),
    ],
)
def test_int_05_a_configuration_that_cannot_be_is_refused_in_words(
    kind: str, options: Mapping[str, object], said: str
) -> None:
    """When the agent starts, not at the first reading."""
    with pytest.raises(BadInput, match=said):
        parts.driver(kind, options)


NUMBERS = st.integers(-40_000, 40_000)


@given(NUMBERS, st.integers(1, 1000), st.integers(1, 1000), st.sets(NUMBERS, max_size=3), st.sets(NUMBERS, max_size=3))
def test_int_05_a_conversion_does_what_it_says(raw: int, times: int, by: int, codes: set[int], ones: set[int]) -> None:
    """Against the same by hand: codes first, then states, then the exact quotient as the nearest float."""
    words = f" * {times} / {by}"
    words += f" unless {', '.join(map(str, sorted(codes)))}" if codes else ""
    words += f" is {','.join(map(str, sorted(ones)))}" if ones else ""
    value, cause = parse(words, "sensors").of(raw)
    if raw in codes:
        assert (value, cause) == (None, "no_measurement")
    elif ones:
        assert value == float(raw in ones)
    else:
        assert value is not None
        assert math.isclose(value, raw * times / by, rel_tol=1e-12)


def test_int_05_tenths_are_tenths() -> None:
    """Every tenth that a device can say becomes the float that is written so, and no number is no reading."""
    tenth = parse(" / 10", "sensors")
    assert all(tenth.of(n)[0] == float(f"{n / 10:.1f}") for n in range(-1000, 1000))
    for odd in (math.nan, math.inf, -math.inf):
        assert tenth.of(odd) == (None, "no_number")


@given(st.text(max_size=60))
def test_int_05_no_words_of_a_configuration_crash_the_agent(words: str) -> None:
    """Any text is a point or a refusal."""
    for read in (modbus.point, snmp.point):
        try:
            read(words)
        except BadInput:
            continue


def test_int_05_what_an_object_holds_is_a_number_or_nothing() -> None:
    """Texts that are numbers count, other texts do not."""
    for said, expected in ((b"25.5", 25.5), (b"-3", -3.0), (b"warm", None), (b"", None), (b"\xff", None)):
        assert snmp.number(said) == expected
    assert snmp.number(None) is None
