"""The agent as a whole: what leaves the site, what sounds there, and what is known after a cut or a crash."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from random import Random

import pytest

from tests.edge.simulation import Disk
from tests.edge.stage import BACKUP, BEAT, HOT_C, MINUTE_S, PRIMARY, PROBE, SECOND, START_S, Site, nothing
from waystation.edge.local_alarm import Times
from waystation.edge.ports import Answer, Request
from waystation.edge.settings import Ups
from waystation.edge.shutdown import Step


def test_tel_12_every_reading_arrives_once_with_its_number(tmp_path: Path) -> None:
    """Numbers run from 1 without a hole, in the order in which the readings were taken."""
    site = Site(tmp_path)
    site.live(30)
    rows = site.centre.readings()
    assert [row[4] for row in rows] == list(range(1, len(site.probes.given) + 1))
    assert [(row[1], row[2], row[3]) for row in rows] == [(s.sensor, s.observed_us, s.value) for s in site.probes.given]


def test_tel_12_batches_are_a_chain_in_the_order_of_signing(tmp_path: Path) -> None:
    """Each data batch names the digest of the one before, across a cut and a boot."""
    site = Site(tmp_path)
    site.live(10)
    site.cut()
    site.live(60)
    site.crash()
    site.boot()
    site.live(20)
    site.mend()
    site.live(20)
    held = {document["previous"]: request for request, document in site.centre.got if document.get("span")}
    digest, links = "", 0
    while digest in held:
        digest, links = hashlib.sha256(held[digest].body).hexdigest(), links + 1
    assert links == len([1 for _, d in site.centre.got if d.get("span")]) == len(held)
    assert links > 20


def test_tel_12_with_no_wan_the_site_alarms_and_records(tmp_path: Path) -> None:
    """The offline drill: the line is cut, a probe goes hot, the site hears it ten minutes later; all arrives after."""
    site = Site(tmp_path)
    site.live(10)
    site.cut()
    site.live(10)
    hot_from = site.time.true_s
    site.probes.values[PROBE] = HOT_C
    site.live(60)
    (at, words), *_ = site.ear.heard
    assert words == ("Fridge 1: out of range, 12",)
    assert 600 <= at - hot_from <= 600 + MINUTE_S + 5
    site.mend()
    site.live(5)
    assert len(site.centre.readings()) == len(site.probes.given)
    assert [n["sensor"] for n in site.centre.notes("sounding")] == [PROBE]


def test_tel_12_an_alarm_leaves_before_what_waited(tmp_path: Path) -> None:
    """After a cut the first batch is the alarm, then the newest heartbeat, then telemetry."""
    site = Site(tmp_path)
    site.live(5)
    site.cut()
    site.probes.values[PROBE] = HOT_C
    site.live(240)
    site.mend()
    before = len(site.centre.got)
    site.live(5)
    kinds = site.centre.kinds()[before:]
    assert kinds[0] == "alarm"
    assert kinds.index("heartbeat") < kinds.index("data")


def test_tel_12_an_answered_alarm_stays_quiet_at_the_site(tmp_path: Path) -> None:
    """The centre says that somebody acknowledged it: nobody at the site is made to hear it."""
    site = Site(tmp_path)
    site.centre.answered[PROBE] = True
    site.probes.values[PROBE] = HOT_C
    site.live(90)
    assert site.ear.heard == []


def test_tel_12_an_answer_to_silence_does_not_quiet_a_warm_probe(tmp_path: Path) -> None:
    """Nor the other way round: each is quiet once that of its own kind was answered at the centre."""
    site = Site(tmp_path, times=Times(answer_within_s=900))
    site.centre.silent_answered[PROBE] = True
    site.probes.values[PROBE] = HOT_C
    site.live(27)
    assert site.ear.now == ("Fridge 1: out of range, 12",)
    del site.probes.values[PROBE]
    site.live(60)
    assert not any("no reading" in words for words in site.ear.now)
    site.centre.silent_answered[PROBE], site.centre.answered[PROBE] = False, True
    site.live(3)
    assert site.ear.now == ("Fridge 1: no reading",)


def test_tel_12_an_alarm_that_nobody_answers_sounds_though_the_centre_is_there(tmp_path: Path) -> None:
    """Told after ten minutes; a quarter of an hour later without an answer it sounds, until somebody answers."""
    site = Site(tmp_path, times=Times(answer_within_s=900))
    site.probes.values[PROBE] = HOT_C
    site.live(24)
    assert site.ear.heard == []
    site.live(3)
    assert [words for _, words in site.ear.heard] == [("Fridge 1: out of range, 12",)]
    site.centre.answered[PROBE] = True
    site.live(3)
    assert site.ear.now == ()


def test_tel_12_quiet_at_the_site_ends_by_itself_and_is_told(tmp_path: Path) -> None:
    """A person quiets it; half an hour later it sounds again, because the fridge is still hot."""
    site = Site(tmp_path, times=Times(quiet_s=1800))
    site.cut()
    site.probes.values[PROBE] = HOT_C
    site.live(15)
    assert site.ear.now
    assert site.agent.quiet("Ana") == 1
    site.live(20)
    assert site.ear.now == ()
    site.live(15)
    assert site.ear.now == ("Fridge 1: out of range, 12",)
    site.mend()
    site.live(5)
    assert [n["who"] for n in site.centre.notes("quieted")] == ["Ana"]


def test_tel_12_a_silent_probe_is_heard_at_the_site(tmp_path: Path) -> None:
    """Without the centre a probe that gives nothing for its hold sounds; its cause is told once."""
    site = Site(tmp_path)
    site.cut()
    site.live(5)
    site.probes.values[SECOND], site.probes.causes[SECOND] = None, "not_connected"
    site.live(30)
    assert site.ear.now == ("Fridge 1, lower shelf: no reading",)
    site.mend()
    site.live(5)
    faults = [(n["sensor"], n["cause"]) for n in site.centre.notes("sensor_fault")]
    assert faults == [(SECOND, "not_connected")]
    assert (SECOND, None) in {(row[1], row[3]) for row in site.centre.readings()}


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_tel_12_what_is_no_number_is_recorded_as_nothing_measured(value: float, tmp_path: Path) -> None:
    """With a cause, told once; the state stays JSON, and the agent goes on."""
    site = Site(tmp_path)
    site.live(5)
    site.probes.values[SECOND] = value
    site.live(20)
    rows = [row[3] for row in site.centre.readings() if row[1] == SECOND]
    assert set(rows[:5]) == {5.0}
    assert set(rows[6:]) == {None}
    assert [(n["sensor"], n["cause"]) for n in site.centre.notes("sensor_fault")] == [(SECOND, "no_number")]
    assert json.dumps(site.agent.status(), allow_nan=False)
    assert len(site.centre.readings()) == len(site.probes.given)


def test_tel_12_an_excursion_goes_on_across_boots(tmp_path: Path) -> None:
    """Boots every four minutes do not keep an alarm of ten minutes from sounding."""
    site = Site(tmp_path)
    site.cut()
    site.probes.values[PROBE] = HOT_C
    hot_from = site.time.true_s
    for _ in range(4):
        site.live(4)
        site.crash()
        site.boot()
    (at, words), *_ = site.ear.heard
    assert words == ("Fridge 1: out of range, 12",)
    assert at - hot_from <= 600 + MINUTE_S + 65


def test_tel_12_a_start_says_how_the_boot_before_ended(tmp_path: Path) -> None:
    """First start, a crash, an ordered stop: each boot says where the record stood and why it had ended."""
    site = Site(tmp_path)
    site.live(10)
    site.crash()
    site.boot()
    site.live(10)
    site.agent.stop("power")
    site.crash()
    site.boot()
    site.live(2)
    told = site.centre.notes("started")
    assert [(n["boot"], n["ended"]) for n in told] == [(1, "first_start"), (2, "crash_or_power_loss"), (3, "power")]
    last = {b: max(row[4] for row in site.centre.readings() if row[0] == b) for b in (1, 2)}
    assert [(n["last_boot"], n["last_seq"]) for n in told[1:]] == [(1, last[1]), (2, last[2])]


def test_tel_12_heartbeats_go_on_without_readings(tmp_path: Path) -> None:
    """Silence of every probe is told apart from silence of the site: the beats still come, signed."""
    site = Site(tmp_path)
    site.probes.values.clear()
    site.live(30)
    beats = [d for _, d in site.centre.got if "state" in d]
    assert 29 <= len(beats) <= 31
    assert {row[0] for d in beats for row in d["readings"]} == {BEAT}
    assert {d["state"]["last"] for d in beats} == {0}


def test_tel_12_a_month_offline_is_stored_and_forwarded(tmp_path: Path) -> None:
    """Days without a line: nothing is lost, and what is live does not wait for what waited."""
    site = Site(tmp_path)
    site.live(5)
    site.cut()
    site.live(3 * 24 * 60, step_s=60)
    site.mend()
    site.live(2, step_s=60)
    newest = max(s.observed_us for s in site.probes.given)
    assert max(row[2] for row in site.centre.readings()) == newest
    assert site.spool.waiting()["data"] > 500
    site.live(60, step_s=60)
    assert sorted(row[4] for row in site.centre.readings()) == list(range(1, len(site.probes.given) + 1))


def test_wan_03_the_backup_carries_when_the_primary_is_down_and_the_primary_comes_back(tmp_path: Path) -> None:
    """Alarms, heartbeats and live telemetry go on within a minute; once it answers, the primary carries again."""
    site = Site(tmp_path)
    site.live(5)
    site.centre.rule = lambda request: Answer(0) if request.uplink == "primary" else None
    before = len(site.centre.got)
    site.live(10)
    over = {request.uplink for request, _ in site.centre.got[before:]}
    assert over == {"backup"}
    assert {"heartbeat", "data"} <= set(site.centre.kinds()[before:])
    site.mend()
    site.live(3)
    before = len(site.centre.got)
    site.live(5)
    assert {request.uplink for request, _ in site.centre.got[before:]} == {"primary"}


def test_wan_04_the_backup_sheds_what_its_profile_says_and_never_an_alarm(tmp_path: Path) -> None:
    """Inventory and what waited stay; a day's bytes used up stop live telemetry, never alarms and heartbeats."""
    site = Site(tmp_path, uplinks=(PRIMARY, BACKUP))
    site.stock = [{"device": "gw-1", "serial": "1"}]
    site.centre.rule = lambda request: Answer(0) if request.uplink == "primary" else None
    site.live(12 * 60)
    spent = sum(len(r.body) for r, d in site.centre.got if "state" not in d and not d.get("alarms"))
    assert 0 < spent <= 20_000
    before = len(site.centre.got)
    site.probes.values[PROBE] = HOT_C
    site.live(60)
    assert set(site.centre.kinds()[before:]) == {"alarm", "heartbeat"}
    site.mend()
    site.live(60)
    assert len(site.centre.readings()) == len(site.probes.given)
    assert "inventory" in site.centre.kinds()


def test_wan_03_a_failover_test_says_what_came_through(tmp_path: Path) -> None:
    """Over the backup alone: alarm, heartbeat and live telemetry with their instants; passed is told to the centre."""
    site = Site(tmp_path)
    site.live(10)
    site.agent.test_failover("backup")
    before = len(site.centre.got)
    site.live(3)
    over = {request.uplink for request, document in site.centre.got[before:] if not document.get("notes")}
    assert "backup" in over
    (told,) = site.centre.notes("failover_tested")
    assert told["passed"] is True
    assert min(told[f"{kind}_us"] for kind in ("alarm", "heartbeat", "live")) >= (START_S + 600) * 1_000_000
    assert site.agent.status()["failover"]["last"] == told


def test_wan_03_a_failover_test_of_a_dead_backup_fails_and_ends(tmp_path: Path) -> None:
    """Nothing comes through: three minutes later the primary carries again, and the result says no."""
    site = Site(tmp_path)
    site.live(10)
    site.centre.rule = lambda request: nothing(request) if request.uplink == "backup" else None
    site.agent.test_failover("backup")
    site.live(5)
    (told,) = site.centre.notes("failover_tested")
    assert told["passed"] is False
    assert (told["alarm_us"], told["heartbeat_us"], told["live_us"]) == (0, 0, 0)
    assert not site.agent.failover.is_running


def test_wan_03_a_test_that_the_centre_asks_for_is_made_once_and_named(tmp_path: Path) -> None:
    """However often it is asked; its begin and its result say which test they are."""
    site = Site(tmp_path)
    site.live(10)
    site.centre.test = {"id": "t-1", "uplink": "backup"}
    site.live(30)
    assert [n["test"] for n in site.centre.notes("failover_begun")] == ["t-1"]
    (told,) = site.centre.notes("failover_tested")
    assert (told["test"], told["uplink"], told["passed"]) == ("t-1", "backup", True)


def test_wan_03_a_test_of_an_uplink_that_is_not_there_is_answered(tmp_path: Path) -> None:
    """As failed, with the cause; the agent goes on over its own uplinks."""
    site = Site(tmp_path)
    site.live(10)
    site.centre.test = {"id": "t-2", "uplink": "pigeon"}
    site.live(20)
    (told,) = site.centre.notes("failover_tested")
    assert (told["test"], told["passed"], told["cause"]) == ("t-2", False, "There is no uplink 'pigeon'.")
    assert not site.agent.failover.is_running


def test_pwr_02_on_battery_the_order_is_followed_and_each_step_is_told(tmp_path: Path) -> None:
    """Inventory, then backlog, then a command, then halt; alarms and heartbeats go on to the end."""
    order = (
        Step("inventory", after_s=0),
        Step("backlog", after_s=300),
        Step("command", after_s=600, command=("/bin/true", "switch-off")),
        Step("live", below_pct=30),
        Step("halt", below_pct=10),
    )
    mains, charge = "cordoba.ups.mains", "cordoba.ups.charge"
    site = Site(tmp_path, shutdown=order, ups=Ups(mains=mains, charge=charge))
    site.probes.values |= {mains: 1.0, charge: 100.0}
    site.live(10)
    site.probes.values[mains] = 0.0
    site.live(12)
    assert site.commands == [("/bin/true", "switch-off")]
    assert not site.agent.is_halting
    site.probes.values[charge] = 29.0
    site.live(2)
    before = len(site.centre.got)
    site.probes.values[PROBE] = HOT_C
    site.live(15)
    assert set(site.centre.kinds()[before:]) == {"alarm", "heartbeat"}
    site.probes.values[charge] = 9.0
    site.live(2)
    assert site.agent.is_halting
    site.agent.stop("power")
    site.crash()
    site.probes.values |= {mains: 1.0, charge: 50.0}
    site.boot()
    site.live(5)
    steps = sorted((n["number"], n["step"]) for n in site.centre.notes("shutdown_step"))
    assert steps == [(1, "inventory"), (2, "backlog"), (3, "command"), (4, "live"), (5, "halt")]
    assert site.centre.notes("started")[-1]["ended"] == "power"
    assert len(site.centre.readings()) == len(site.probes.given)


def test_pwr_02_mains_that_come_back_undo_the_order(tmp_path: Path) -> None:
    """What was held goes on, and that is told too."""
    mains = "cordoba.ups.mains"
    site = Site(tmp_path, shutdown=(Step("live", after_s=60), Step("halt", after_s=3600)), ups=Ups(mains=mains))
    site.probes.values[mains] = 0.0
    site.live(10)
    held = len(site.centre.readings())
    site.probes.values[mains] = 1.0
    site.live(5)
    assert len(site.centre.readings()) == len(site.probes.given) > held
    assert [(n["step"], n.get("is_undone", False)) for n in site.centre.notes("shutdown_step")] == [
        ("live", False),
        ("live", True),
    ]


def test_qal_12_a_revoked_agent_keeps_everything_and_still_alarms(tmp_path: Path) -> None:
    """401 for each request: nothing is released, the site sounds, the page says why."""
    site = Site(tmp_path)
    site.live(5)
    site.centre.rule = lambda _r: Answer(401, {"message": "gw-1 was revoked."})
    site.probes.values[PROBE] = HOT_C
    before = len(site.centre.readings())
    site.live(20)
    assert site.ear.now == ("Fridge 1: out of range, 12",)
    assert "gw-1 was revoked" in site.agent.status()["problem"]
    site.mend()
    site.live(5)
    assert len(site.centre.readings()) == len(site.probes.given) > before


def test_a_key_is_rotated_without_losing_a_reading(tmp_path: Path) -> None:
    """What waits under the old key is signed again with the new one; bytes and digests stay."""
    site = Site(tmp_path)
    site.live(5)
    site.cut()
    site.live(60)
    before = site.keys.public
    site.keys.begin_rotation()
    site.mend()
    site.live(5)
    assert site.keys.public != before
    assert sorted(row[4] for row in site.centre.readings()) == list(range(1, len(site.probes.given) + 1))


def test_a_rotation_whose_answer_was_lost_is_finished_later(tmp_path: Path) -> None:
    """The centre has the new key already; the agent asks again and takes it into use."""
    site = Site(tmp_path)
    site.live(3)
    site.keys.begin_rotation()
    wanted = site.keys.next_public()
    known = [site.keys.public]
    site.centre.public = lambda: known[0]

    def lose_one(request: Request) -> Answer | None:
        if request.path.endswith("/key"):
            lost = known[0] != wanted
            known[0] = wanted
            return Answer(0) if lost else Answer(200, {"public_key": wanted})
        return None

    site.centre.rule = lose_one
    site.live(10)
    assert site.keys.public == wanted
    assert len(site.centre.readings()) == len(site.probes.given)


def test_a_rotation_on_a_disk_that_refuses_waits_and_stops_nothing(tmp_path: Path) -> None:
    """The next key cannot be written, then not be put in place: the agent goes on by the old one until it can."""
    site = Site(tmp_path, key_days=1)
    before = site.keys.public
    (tmp_path / "key.next.new").mkdir()
    site.time.true_s += 86_400
    site.live(2)
    (tmp_path / "key.next.new").rmdir()
    (tmp_path / "key").unlink()
    (tmp_path / "key").mkdir()
    site.live(2)
    wanted = site.keys.next_public()
    assert (bool(wanted), site.keys.public) == (True, before)
    (tmp_path / "key").rmdir()
    site.live(2)
    assert site.keys.public == wanted
    assert len(site.centre.readings()) == len(site.probes.given)


def test_what_cannot_be_written_when_it_is_signed_again_goes_out_all_the_same(tmp_path: Path) -> None:
    """The disk refuses while the batches of the old key leave; all of them arrive."""
    disk = Disk(Random(1))
    site = Site(tmp_path, open_with=disk.open)
    site.cut()
    site.live(60)
    site.keys.begin_rotation()
    site.mend()
    for _ in range(10):
        disk.plan("full", 1)
        site.agent.sender.step(site.time.wall_us())
        site.time.true_s += 20
    disk.plan("", -1)
    site.live(5)
    assert {row[4] for row in site.centre.readings()} == set(range(1, len(site.probes.given) + 1))


def test_an_answer_of_something_in_between_releases_nothing(tmp_path: Path) -> None:
    """A captive portal says 200 to everything: no digest, so everything is still there and goes out later."""
    site = Site(tmp_path)
    site.centre.rule = lambda _r: Answer(200, {})
    site.live(20)
    assert site.centre.readings() == []
    assert "refused" in site.agent.status()["problem"]
    site.mend()
    site.live(70)
    assert len(site.centre.readings()) == len(site.probes.given)


def test_a_refused_batch_stays_and_does_not_stand_in_the_way(tmp_path: Path) -> None:
    """422 for one batch: it is named, the others go on, and it is tried again an hour later."""
    site = Site(tmp_path)
    refused: list[bytes] = []

    def refuse_one(request: Request) -> Answer | None:
        if b'"span":[1,' in request.body and len(refused) < 1:
            refused.append(request.body)
            return Answer(422, {"message": "readings[0] lies in the future."})
        return None

    site.centre.rule = refuse_one
    site.live(30)
    assert site.agent.status()["refused"] == ["422 readings[0] lies in the future."]
    assert min(row[4] for row in site.centre.readings()) > 1
    site.live(45)
    assert len(site.centre.readings()) == len(site.probes.given)
    assert site.agent.status()["refused"] == []


def test_a_centre_that_asks_to_wait_is_left_alone_for_telemetry(tmp_path: Path) -> None:
    """503 with two minutes: no telemetry before that; an alarm asks again after a quarter of a minute."""
    site = Site(tmp_path)
    site.live(5)
    site.centre.rule = lambda _r: Answer(503, {}, 120)
    before = len(site.centre.asked)
    site.live(1)
    assert len(site.centre.asked) - before <= 4
    site.mend()
    site.live(5)
    assert len(site.centre.readings()) == len(site.probes.given)


def test_a_sounder_that_fails_stops_nothing_and_is_told(tmp_path: Path) -> None:
    """The relay is gone: judging and recording go on, and the centre hears of it once."""
    site = Site(tmp_path)
    site.ear.is_broken = True
    site.live(10)
    assert len(site.centre.notes("sounder_fault")) == 1
    assert len(site.centre.readings()) == len(site.probes.given)
    assert "sounder Ear" in site.agent.status()["faults"]


def test_the_inventory_is_checked_in_at_start_and_every_hour(tmp_path: Path) -> None:
    """Last in order, and complete."""
    site = Site(tmp_path)
    site.stock = [{"device": "gw-1", "serial": "SN-1", "firmware": "1.2", "address": "192.0.2.7"}]
    site.live(125)
    found = [d["check_ins"] for _, d in site.centre.got if d.get("check_ins")]
    assert found == [site.stock] * 3


def test_an_old_key_is_rotated_by_itself(tmp_path: Path) -> None:
    """`key_days` after the start the agent makes a new key and brings it to the centre."""
    site = Site(tmp_path, key_days=1)
    before = site.keys.public
    site.live(25 * 60, step_s=60)
    assert site.keys.public != before
    assert len(site.centre.readings()) == len(site.probes.given)


def test_the_clock_s_health_is_in_each_heartbeat(tmp_path: Path) -> None:
    """Compared with the centre's clock it agrees; five seconds wrong it is in doubt, and a step is told."""
    site = Site(tmp_path)
    site.centre.now_us = lambda: round(site.time.true_s) * 1_000_000
    site.live(5)
    site.time.skew_s = 5.0
    site.live(5)
    states = [d["state"]["clock"]["state"] for _, d in site.centre.got if "state" in d]
    assert states[0] == "not_compared"
    assert states[3] == "agrees"
    assert states[-1] == "in_doubt"
    assert site.centre.notes("clock_stepped")
