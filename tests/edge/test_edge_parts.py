"""Configuration, clock, keys, order of dying, paths, local page, enrolment: each by itself."""

from __future__ import annotations

import copy
import http.client
import json
import os
import socket
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from tests.edge.stage import HOT_C, MACHINE, PROBE, START_S, Site, Time, keys_in
from waystation.edge import config, stock
from waystation.edge.clock import SteadyClock
from waystation.edge.enrol import enrol
from waystation.edge.keys import Keys
from waystation.edge.main import main
from waystation.edge.page import LocalPage
from waystation.edge.paths import CLASSES, Paths, Uplink
from waystation.edge.paths import Path as Way
from waystation.edge.ports import Answer, Request
from waystation.edge.shutdown import Shutdown, Step
from waystation.kernel.refusals import BadInput, Conflict, NotAllowed, NotFound, NotReady, Refusal, Unavailable

WHOLE: dict[str, Any] = {
    "site": "cordoba",
    "folder": "/var/lib/waystation-edge",
    "heartbeat_sensor": "cordoba.gw-1.heartbeat",
    "uplink": [
        {"name": "fibre", "url": "https://centre.example.org"},
        {
            "name": "lte",
            "url": "https://centre.example.org",
            "source": "10.0.0.2",
            "mb_per_day": 20,
            "sheds": ["backlog"],
        },
    ],
    "sensor": [
        {"code": PROBE, "name": "Fridge 1", "low": 2.0, "high": 8.0, "delay_s": 600, "hold_s": 900},
        {"code": "cordoba.ups.mains", "name": "Mains", "low": 1, "high": 1, "delay_s": 0},
        {"code": "cordoba.ambient", "name": "Room"},
    ],
    "driver": [{"kind": "w1", "every_s": 60, "sensors": {PROBE: "28-0001"}}],
    "sounder": [{"kind": "relay", "path": "/sys/class/gpio/gpio17/value"}],
    "alarm": {"unreachable_s": 120, "answer_within_s": 900, "quiet_s": 1800},
    "ups": {"mains": "cordoba.ups.mains", "charge": "cordoba.ups.charge"},
    "shutdown": [{"step": "inventory", "after_s": 0}, {"step": "halt", "below_pct": 10}],
    "device": [{"device": "gw-1", "serial": "SN-1"}],
}


def test_a_whole_configuration_is_read() -> None:
    """Every member lands where it belongs; a sensor without limits has a name and no watch."""
    found = config.settings_of(WHOLE)
    assert [w.sensor for w in found.watches] == [PROBE, "cordoba.ups.mains"]
    assert found.words["cordoba.ambient"] == "Room"
    assert found.uplinks[1].bytes_per_day == 20_000_000
    assert found.uplinks[1].sheds == {"backlog"}
    assert [s.what for s in found.shutdown] == ["inventory", "halt"]
    assert found.drivers[0].options == {"sensors": {PROBE: "28-0001"}}
    assert found.spool_bytes == 512 * 1024 * 1024


def _set(path: str, value: object) -> Callable[[dict[str, Any]], None]:
    def change(document: dict[str, Any]) -> None:
        *way, last = path.split(".")
        here: Any = document
        for word in way:
            here = here[int(word)] if word.isdigit() else here[word]
        if value is None:
            del here[last]
        else:
            here[int(last) if last.isdigit() else last] = value

    return change


@pytest.mark.parametrize(
    ("path", "value", "named"),
    [
        ("site", None, "site is missing"),
        ("site", "", "site is empty"),
        ("page", "8087", "page '8087' is no host:port"),
        ("page", "127.0.0.1:70000", "is no host:port"),
        ("colour", "red", "colour 'red' is not known"),
        ("spool_mb", 1, "spool_mb 1 is below"),
        ("spool_mb", True, "is not a whole number"),
        ("heartbeat_s", 0, "heartbeat_s 0.0 is not above 0"),
        ("uplink", [], "uplink 0 must be"),
        ("uplink.1.name", "fibre", "uplink 2 must be"),
        ("uplink.0.url", "http://centre.example.org", "is not https"),
        ("uplink.1.sheds", ["alarm"], "'alarm' cannot be shed"),
        ("uplink.1.mb_per_day", -1, "is not above 0"),
        ("uplink.0.speed", 3, "uplink[0].speed 3 is not known"),
        ("sensor.0.low", 9.0, "is above high 8"),
        ("sensor.0.low", "cold", "is not a number"),
        ("sensor.0.rules", [{"id": "r", "op": ">", "limit_c": 8, "duration_s": 1, "mode": "cumulative"}], "adds up"),
        ("sensor.0.rules", [{"id": "r", "op": "~", "limit_c": 8, "duration_s": 1}], "is no comparison"),
        ("driver.0.kind", None, "driver[0].kind is missing"),
        ("alarm.loud", True, "alarm.loud True is not known"),
        ("ups.mains", 1, "is not a text"),
        ("shutdown.0.step", "alarm", "'alarm' is no step"),
        ("shutdown.1.step", "live", "does not end with its one"),
        ("shutdown.0.step", "halt", "does not end with its one"),
        ("shutdown.0.after_s", None, "has no condition"),
        ("shutdown.0.command", ["true"], "do not fit"),
        ("device.0.device", None, "device[0].device is missing"),
    ],
)
def test_what_cannot_be_used_is_named_with_its_place(path: str, value: object, named: str) -> None:
    """One line: the member, its value, what is wrong, what to write."""
    document = copy.deepcopy(WHOLE)
    _set(path, value)(document)
    with pytest.raises(Refusal) as refused:
        config.settings_of(document)
    assert named in str(refused.value)
    assert refused.value.next_step


def test_a_file_that_is_not_there_or_no_toml_is_said_so(tmp_path: Path) -> None:
    """NotFound, BadInput with the line."""
    with pytest.raises(NotFound):
        config.read(tmp_path / "edge.toml")
    (tmp_path / "edge.toml").write_text("site = \n")
    with pytest.raises(BadInput, match="line 1"):
        config.read(tmp_path / "edge.toml")


@given(st.lists(st.tuples(st.integers(0, 3600), st.sampled_from([0.0, 0.0, 0.0, -86400.0, 86400.0, 1.5])), max_size=30))
def test_time_never_runs_backwards_and_a_step_is_counted(moves: list[tuple[int, float]]) -> None:
    """Whatever the machine's clock does; after a step back it runs on at the pace of the running clock, in doubt."""
    time = Time()
    clock = SteadyClock(time, 0)
    last, steps = clock.now_us(), 0
    for later_s, skew_s in moves:
        time.true_s += later_s
        time.skew_s += skew_s
        steps += abs(skew_s) > 2
        found = clock.now_us()
        assert found >= last
        if time.wall_us() < last:
            assert clock.health()["state"] == "in_doubt" or last - time.wall_us() <= 2_000_000
        last = found
    assert clock.health()["steps"] == steps


def test_a_clock_without_a_battery_goes_on_from_the_newest_record() -> None:
    """It says 1970 after a boot: the agent's time goes on from what is recorded, and is in doubt."""
    time = Time()
    time.skew_s = -START_S
    clock = SteadyClock(time, START_S * 1_000_000)
    time.true_s += 100
    assert clock.now_us() == (START_S + 100) * 1_000_000
    assert clock.health()["state"] == "in_doubt"
    time.skew_s = 5.0
    assert clock.now_us() == (START_S + 105) * 1_000_000


@given(st.floats(-30, 30), st.floats(0, 8))
def test_an_offset_is_told_at_least_never_at_most(skew_s: float, trip_s: float) -> None:
    """The round trip and the whole second are taken off: what is told is certain."""
    time = Time()
    time.skew_s = skew_s
    clock = SteadyClock(time, 0)
    clock.compare(int(time.true_s - trip_s / 2) * 1_000_000, trip_s)
    told = clock.health()
    assert abs(told["offset_s"]) <= abs(skew_s) + 0.06
    assert (told["state"] == "in_doubt") <= (abs(skew_s) > 1.9)


def test_a_comparison_does_not_hold_for_ever() -> None:
    """A day later it is none."""
    time = Time()
    clock = SteadyClock(time, 0)
    clock.compare(time.wall_us(), 0.1)
    assert clock.health()["state"] == "agrees"
    time.true_s += 86_401
    assert clock.health()["state"] == "not_compared"


def test_a_key_is_a_file_that_only_its_user_reads(tmp_path: Path) -> None:
    """Made once; made again it stays the same."""
    keys = keys_in(tmp_path)
    before = keys.public
    keys.make()
    assert keys.public == before == Keys(tmp_path, os.urandom).public
    assert (tmp_path / "key").stat().st_mode & 0o777 == 0o600


def test_an_agent_is_enrolled_once(tmp_path: Path) -> None:
    """Another machine's id is refused; without one the agent says how to get it."""
    keys = keys_in(tmp_path)
    keys.enrolled(MACHINE, "cordoba")
    with pytest.raises(Conflict):
        keys.enrolled("another", "cordoba")
    with pytest.raises(NotReady, match="enrol"):
        _ = Keys(tmp_path / "empty", os.urandom).machine


def test_a_rotation_survives_a_restart(tmp_path: Path) -> None:
    """The next key is on the disk before anybody hears of it, and one rotation is under way at a time."""
    keys = keys_in(tmp_path)
    keys.begin_rotation()
    wanted = keys.next_public()
    again = Keys(tmp_path, os.urandom)
    again.begin_rotation()
    assert again.next_public() == wanted
    again.finish_rotation()
    assert (again.public, again.next_public()) == (wanted, "")


@pytest.mark.parametrize(
    ("answer", "refusal"),
    [
        (Answer(0), Unavailable),
        (Answer(401, {"message": "The token was used.", "next_step": "Ask for a new token."}), NotAllowed),
        (Answer(200, {}), NotReady),
    ],
)
def test_an_enrolment_that_fails_says_why_and_keeps_the_key(
    answer: Answer, refusal: type[Refusal], tmp_path: Path
) -> None:
    """The same key is brought again, so that an answer that was lost costs nothing."""
    keys = Keys(tmp_path, os.urandom)
    brought: list[str] = []

    def post(_uplink: Uplink, request: Request) -> Answer:
        brought.append(json.loads(request.body)["public_key"])
        return answer if len(brought) == 1 else Answer(201, {"machine": MACHINE, "site": "cordoba"})

    uplink = Uplink("fibre", "https://centre.example.org")
    with pytest.raises(refusal):
        enrol(keys, uplink, "wse_token", post)
    assert enrol(keys, uplink, "wse_token", post) == MACHINE == keys.machine
    assert brought[0] == brought[1] == keys.public


STEPS = st.lists(st.tuples(st.integers(0, 900), st.integers(0, 60)), max_size=5)
COURSE = st.lists(st.tuples(st.booleans(), st.integers(0, 100), st.booleans()), max_size=30)


@given(STEPS, COURSE)
def test_pwr_02_steps_come_in_order_and_what_was_taken_is_taken_back(
    drawn: list[tuple[int, int]], course: list[tuple[bool, int, bool]]
) -> None:
    """Never a step before the one declared before it; mains that come back undo in reverse; halt is the end."""
    order = [Step("command", float(after), float(below), ("x",)) for after, below in drawn] + [
        Step("halt", below_pct=5)
    ]
    shutdown, taken = Shutdown(order), []
    for minute, (mains, charge, is_low) in enumerate(course):
        was_halting = shutdown.is_halting
        told = shutdown.step(minute * 60.0, mains=mains, charge_pct=float(charge), is_low=is_low)
        assert not (was_halting and told)
        for one in told:
            if one.is_undone:
                assert mains
                assert taken.pop() == one.number
            else:
                assert not mains
                taken.append(one.number)
                assert one.why
        assert taken == list(range(1, len(taken) + 1))
        if not mains and is_low:
            assert shutdown.is_halting
    assert shutdown.is_halting == (len(taken) == len(order))


def test_pwr_02_a_ups_that_says_nothing_starts_and_undoes_nothing() -> None:
    """Mains unknown: no step is taken, none is taken back."""
    shutdown = Shutdown([Step("live", after_s=0), Step("halt", after_s=3600)])
    assert shutdown.step(0.0, mains=None, charge_pct=None, is_low=True) == []
    assert len(shutdown.step(1.0, mains=False, charge_pct=None, is_low=False)) == 1
    assert shutdown.step(2.0, mains=None, charge_pct=None, is_low=False) == []


@given(st.lists(st.tuples(st.sampled_from(CLASSES), st.integers(1, 900), st.integers(0, 7200)), max_size=60))
def test_wan_04_no_budget_ever_holds_an_alarm_or_a_heartbeat(traffic: list[tuple[str, int, int]]) -> None:
    """And what a budget may hold never goes beyond it in a day."""
    path, now_us, held = Way(Uplink("lte", "https://x", bytes_per_day=2000, sheds=frozenset({"inventory"}))), 0, {}
    for kind, size, later_s in traffic:
        now_us += later_s * 1_000_000
        day = now_us // 86_400_000_000
        may = path.may_carry(kind, size, now_us)
        if kind in ("alarm", "heartbeat"):
            assert may
        if kind == "inventory":
            assert not may
        if may:
            path.carried(kind, size, now_us)
            held[day] = held.get(day, 0) + size
            if kind in ("live", "backlog"):
                assert held[day] <= 2000


def test_what_was_spent_today_is_known_after_a_boot() -> None:
    """The account goes on; tomorrow it begins again."""
    first, second = (Way(Uplink("lte", "https://x", bytes_per_day=1000)) for _ in range(2))
    _, kept = first.carried("live", 900, 0)
    second.resume(kept)
    assert not second.may_carry("live", 200, 0)
    assert second.may_carry("live", 200, 86_400_000_000)


def test_wan_03_the_first_uplink_that_is_up_is_taken_and_one_that_is_down_is_tried_again() -> None:
    """After two failures the backup; the primary again once a minute at most."""
    paths = Paths([Uplink("a", "https://a"), Uplink("b", "https://b")])
    a, b = paths.all
    assert paths.next(0) is a
    a.failed, a.tried_us = 30, 0
    assert paths.next(1_000_000) is b
    assert paths.next(60_000_000) is a
    a.tried_us, b.failed, b.tried_us = 60_000_000, 2, 60_000_000
    assert paths.next(61_000_000) is None
    assert paths.next(70_000_001) is b
    with pytest.raises(BadInput, match="a, b"):
        paths.named("c")


def ask(page: LocalPage, method: str, path: str, body: str = "", **headers: str) -> tuple[int, str]:
    """One request, answered by the page's own steps."""
    found: list[tuple[int, str]] = []

    def go() -> None:
        line = http.client.HTTPConnection(*page.address, timeout=5)
        line.request(method, path, body, headers)
        reply = line.getresponse()
        found.append((reply.status, reply.read().decode()))

    asking = threading.Thread(target=go)
    asking.start()
    while asking.is_alive():
        page.step()
        asking.join(0.01)
    return found[0]


def test_tel_12_the_local_page_shows_the_alarm_and_quiets_it(tmp_path: Path) -> None:
    """State, readings, ways out; the button asks for a name, and the name is told to the centre."""
    site = Site(tmp_path, words={PROBE: "Fridge <1>"})
    site.cut()
    site.probes.values[PROBE] = HOT_C
    site.live(20)
    page = LocalPage(site.agent, "127.0.0.1", 0)
    status, text = ask(page, "GET", "/")
    assert status == 200
    assert "Fridge &lt;1&gt;" in text
    assert "<1>" not in text
    assert "sounds" in text
    assert "down" in text
    assert ask(page, "POST", "/quiet", "who=Ana")[0] == 303
    status, text = ask(page, "GET", "/status.json")
    told = json.loads(text)
    assert told["schema"] == "waystation.edge/1"
    assert [(a["sounds"], a["quiet_by"]) for a in told["alarms"]] == [(False, "Ana")]
    page.close()


@pytest.mark.parametrize(
    ("method", "path", "body", "headers", "status"),
    [
        ("GET", "/key", "", {}, 404),
        ("POST", "/nothing", "", {}, 404),
        ("POST", "/failover", "uplink=pigeon", {}, 422),
        ("POST", "/quiet", "who=Eve", {"Origin": "https://elsewhere.example"}, 400),
        ("POST", "/quiet", "x" * 5000, {}, 400),
    ],
)
def test_the_local_page_refuses_what_is_not_its_own(
    method: str, path: str, body: str, headers: dict[str, str], status: int, tmp_path: Path
) -> None:
    """Other paths, another site's form, too much."""
    page = LocalPage(Site(tmp_path).agent, "127.0.0.1", 0)
    assert ask(page, method, path, body, **headers)[0] == status
    page.close()


def test_a_browser_that_says_nothing_holds_nobody_up(tmp_path: Path) -> None:
    """A connection without a request ends by itself, and the next one is answered."""
    page = LocalPage(Site(tmp_path).agent, "127.0.0.1", 0)
    with socket.create_connection(page.address):
        page.step()
        assert ask(page, "GET", "/status.json")[0] == 200
    page.close()


def test_a_browser_that_says_a_byte_now_and_then_holds_nobody_up(tmp_path: Path) -> None:
    """Its request as a whole has an end: the agent's steps go on meanwhile, and the next browser is answered."""
    page = LocalPage(Site(tmp_path).agent, "127.0.0.1", 0)
    bytes_left = iter(b"GET /status.json HTTP/1.0\r\nX: xxxxxxxxxx")
    with socket.create_connection(page.address) as slow:

        def drip() -> None:
            for byte in bytes_left:
                try:
                    slow.sendall(bytes([byte]))
                except OSError:
                    return
                threading.Event().wait(0.3)

        dripping = threading.Thread(target=drip)
        dripping.start()
        for _ in range(100):
            page.step()
        assert ask(page, "GET", "/status.json")[0] == 200
        assert list(bytes_left), "it was heard to its end"
        dripping.join()
    page.close()


def test_what_the_agent_s_loop_does_not_do_in_time_is_said_and_not_done_later(tmp_path: Path) -> None:
    """A loop that stands still answers 503; the alarm is not quieted behind the back of who was told so."""
    site = Site(tmp_path)
    site.cut()
    site.probes.values[PROBE] = HOT_C
    site.live(20)
    page = LocalPage(site.agent, "127.0.0.1", 0, answer_s=0.05)
    line = http.client.HTTPConnection(*page.address, timeout=5)
    line.request("POST", "/quiet", "who=Ana")
    reply = line.getresponse()
    assert (reply.status, b"stands still" in reply.read()) == (503, True)
    page.step()
    assert any(alarm["sounds"] for alarm in site.agent.status()["alarms"])
    page.close()


def test_a_page_whose_address_is_taken_stops_nothing_and_is_there_once_it_is_free(tmp_path: Path) -> None:
    """The agent runs without it and tells the centre."""
    site = Site(tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as other:
        page = LocalPage(site.agent, *other.getsockname(), again_s=0.02)
        page.step()
        site.live(3)
        assert "in use" in site.agent.status()["faults"]["local page"]
    assert [n["sounder"] for n in site.centre.notes("sounder_fault")] == ["local page"]
    for _ in range(500):
        if page.trouble:
            threading.Event().wait(0.01)
    assert ask(page, "GET", "/status.json")[0] == 200
    assert site.agent.status()["faults"] == {}
    page.close()


def status_of(page: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    """What `waystation-edge status` says."""
    path = folder / "edge.toml"
    words = f'site = "cordoba"\nfolder = "{folder}"\npage = "{page}"\n'
    path.write_text(words + '[[uplink]]\nname = "a"\nurl = "https://centre.invalid"\n')
    code = main(["status", "--config", str(path)])
    said = capsys.readouterr()
    return code, said.out + said.err


def answers_once(server: socket.socket, reply: bytes) -> None:
    """Somebody who says this to whoever comes first."""
    line, _ = server.accept()
    with line:
        line.recv(4096)
        line.sendall(reply)


def test_status_says_what_it_knows_and_no_more(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nobody listens, somebody else answers, nothing comes back, the loop stands still: four different things."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        page = "{}:{}".format(*server.getsockname())
        for reply, words in (
            (b"HTTP/1.0 200 OK\r\n\r\n<p>hello", "is no agent of cordoba"),
            (b'HTTP/1.0 200 OK\r\n\r\n{"site": "lima"}', "is no agent of cordoba"),
            (b"gibberish\r\n", "Whether the agent runs is not known"),
            (b"", "Whether the agent runs is not known"),
        ):
            threading.Thread(target=answers_once, args=(server, reply), daemon=True).start()
            code, said = status_of(page, tmp_path, capsys)
            assert (code, words in said) == (1, True), said
    code, said = status_of(page, tmp_path, capsys)
    assert (code, "Nobody listens" in said) == (1, True)
    stuck = LocalPage(Site(tmp_path / "site").agent, "127.0.0.1", 0, answer_s=0.01)
    code, said = status_of("{}:{}".format(*stuck.address), tmp_path, capsys)
    assert (code, "its loop stands still" in said) == (1, True)
    stuck.close()


def _certificate(path: Path, until: datetime) -> None:
    key, name = Ed25519PrivateKey.generate(), x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "gw-1")])
    made = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(7)
    signed = made.not_valid_before(until - timedelta(days=90)).not_valid_after(until).sign(key, None)
    assert isinstance(signed.signature_hash_algorithm, hashes.HashAlgorithm | None)
    path.write_bytes(signed.public_bytes(serialization.Encoding.PEM))


def test_the_stock_names_versions_addresses_and_the_last_day_of_certificates(tmp_path: Path) -> None:
    """The agent's own device says its version by itself; a certificate that cannot be read is said so."""
    _certificate(tmp_path / "c.pem", datetime(2027, 1, 31, tzinfo=UTC))
    devices = [
        {"device": "gw-1", "serial": "SN-1", "certificate": str(tmp_path / "c.pem")},
        {"device": "switch-1", "firmware": "7.2", "certificate": str(tmp_path / "none.pem")},
    ]
    first, second = stock.take_stock(devices)
    assert first["certificate_until"] == "2027-01-31"
    assert first["firmware"].startswith("waystation-edge ")
    assert second == {"device": "switch-1", "firmware": "7.2", "certificate_until": "unreadable"}
    assert stock.take_stock([]) == []
