"""One real day from end to end: every step of it, by the product's own records."""

from __future__ import annotations

from datetime import datetime
from typing import Any

Day = dict[str, Any]


def _of(day: Day, section: str, **wanted: object) -> list[dict[str, Any]]:
    return [r for r in day[section] if all(r.get(k) == v for k, v in wanted.items())]


def _incident(day: Day, site: str, *words: str) -> dict[str, Any]:
    return next(i for i in day["incidents"] if i["site"] == site and all(w in i["title"] for w in words))


def _at(text: str) -> datetime:
    return datetime.fromisoformat(text)


def test_jnt_10_a_whole_network_lives_a_day(day: Day) -> None:
    """Twenty sites and one on its way, hundreds of sensors, a third of a million readings."""
    assert (day["sites"], day["schema"]) == (21, "waystation.demo/1")
    assert day["sensors"] > 600
    assert day["readings"] > 300_000


def test_step_1_a_normal_morning_opens_nothing(day: Day) -> None:
    """Door openings, defrosts and a humidity blip: no excursion, no page, no incident at Toledo."""
    assert not _of(day, "excursions", site="toledo")
    assert not [i for i in day["incidents"] if i["site"] == "toledo"]


def test_alr_05_step_2_a_failed_controller_pages_operator_and_site_contact(day: Day) -> None:
    """Fault and rising temperature reach both, and the first answer is recorded."""
    incident = _incident(day, "cordoba", "compressor controller failed")
    pages = _of(day, "pages", incident=incident["id"])
    assert {p["to"] for p in pages} >= {"diego-marin", "marta-ruiz"}
    assert any(p["answered"] for p in pages)
    assert incident["priority"] == "P1"


def test_jnt_03_step_3_the_part_is_too_late_so_the_product_moves_first(day: Day) -> None:
    """One serialised unit is reserved with every candidate's reason; its label says hub label; the lots were moved."""
    incident = _incident(day, "cordoba", "compressor controller failed")
    (held,) = _of(day, "reservations", incident=incident["id"])
    assert held["unit"] == "4471-0093"
    chosen = [c for c in held["candidates"] if c["chosen"]]
    assert len(chosen) == 1
    assert "too late" in chosen[0]["reason"]
    assert all(c["reason"] for c in held["candidates"])
    assert len(held["candidates"]) >= 5
    (sent,) = [d for d in day["dispatches"] if d["unit"] == held["unit"]]
    assert (sent["label_kind"], sent["state"]) == ("hub label", "installed")
    assert _step(day, "the product was moved before its limit")


def test_ful_10_step_4_two_p1_race_for_the_last_unit(day: Day) -> None:
    """One gets it, the other the next path, and the loser's reason names who took it."""
    one, other = (_incident(day, site, "device does not answer") for site in ("zaragoza", "pamplona"))
    assert {one["priority"], other["priority"]} == {"P1"}
    units = {r["incident"]: r for r in day["reservations"]}
    assert units[one["id"]]["unit"] != units[other["id"]]["unit"]
    reasons = " ".join(c["reason"] for r in (units[one["id"]], units[other["id"]]) for c in r["candidates"])
    assert f"was taken by {one['id']}" in reasons or f"was taken by {other['id']}" in reasons


def test_wan_07_step_5_a_cut_is_one_incident_and_hides_nothing(day: Day) -> None:
    """One site-level incident; the excursion inside the cut is found when the data come, and goes to QA."""
    cut = [i for i in day["incidents"] if i["site"] == "evora" and "no data" in i["title"]]
    assert len(cut) == 1
    (late,) = _of(day, "excursions", site="evora")
    assert late["found_late"]
    assert _of(day, "incidents", site="evora", cause="late_excursion")


def test_step_5_a_site_that_went_dark_while_warming_kept_its_alarm(day: Day) -> None:
    """Málaga was cut off with its door open: the cooling incident stood all the while, and the excursion is whole."""
    warm, cut = _incident(day, "malaga", "Fridge 1"), _incident(day, "malaga", "no data")
    assert _at(warm["opened"]) < _at(cut["opened"]) < _at(warm["service_restored"])
    first = min(_of(day, "excursions", site="malaga"), key=lambda e: e["start"])
    assert _at(first["start"]) < _at(cut["service_restored"]) < _at(first["end"])


def test_step_6_a_frozen_probe_proves_nothing(day: Day) -> None:
    """Its interval is not proven; sensor failed needed a second measurement; hand readings were due meanwhile."""
    frozen = [g for g in day["gaps"] if g["site"] == "murcia" and g["cause"].startswith("frozen")]
    assert sum(g["minutes"] for g in frozen) > 120
    assert "measured" in day["notes"]["second_measurement"]
    assert "Bind a probe whose certificate is valid" in day["notes"]["expired_probe"]


def test_step_6_flat_at_21_is_out_of_range_until_qa_decides(day: Day) -> None:
    """In doubt and out; the operator was refused."""
    (flat,) = _of(day, "excursions", site="faro")
    assert "doubt" in flat["in_doubt"]
    assert flat["minutes"] > 120
    assert "QA" in day["notes"]["operator_refused"]


def test_run_04_step_7_self_approval_is_refused(day: Day) -> None:
    """Another person approved the same digest after the wait was escalated like a page."""
    assert "Another person decides" in day["notes"]["self_approval"]
    assert day["notes"]["approved_by"] == "Teresa Gago"
    waiting = _incident(day, "cordoba", "approval waits")
    assert {p["to"] for p in _of(day, "pages", incident=waiting["id"])} & {"ana-prieto", "teresa-gago"}


def test_qal_10_step_8_two_clocks_end_the_incident(day: Day) -> None:
    """Service restored by a re-measured device, product safe after its settling time, resolved after both."""
    incident = _incident(day, "cordoba", "compressor controller failed")
    restored, safe, resolved = (_at(incident[k]) for k in ("service_restored", "product_safe", "resolved"))
    assert resolved >= max(restored, safe)
    assert incident["outcome"] == "part_replaced"
    assert _of(day, "returns", incident=incident["id"])


def test_qal_02_step_9_only_qa_ends_a_hold(day: Day) -> None:
    """The operator's try was refused in words."""
    assert "may not release, reject or transfer held product" in day["notes"]["holds_refused"]


def test_evd_09_step_10_the_pack_verifies_and_a_flipped_byte_is_located(day: Day) -> None:
    """The night's claim is what the readings say, and the verifier names the member."""
    assert day["notes"]["pack_verified"]
    assert day["notes"]["pack_verdict"] == "out_of_range"
    assert day["notes"]["flip_found_in"]


def test_onb_05_step_11_the_new_site_was_refused_and_then_opened(day: Day) -> None:
    """Owner, route and spares cover are named; then it opens."""
    said = day["notes"]["gate_refused"]
    assert all(words in said for words in ("has no owner", "alarm route is not proven", "no spare"))
    assert day["notes"]["site_opened"] == "huelva"


def test_every_step_stands_and_every_figure_is_told(day: Day) -> None:
    """The story in the terminal counts what the summary counts."""
    assert [s["name"] for s in day["steps"] if not s["done"]] == []
    assert f"{len(day['incidents'])} incidents" in day["printed"]
    assert all(i["id"] in day["printed"] for i in day["incidents"])


def test_the_evidence_of_the_day_verifies(day: Day) -> None:
    """Each log's root follows from its leaves."""
    assert set(day["evidence"]) == {"iberia", "installation"}
    assert all(head["verified"] and head["tree_size"] > 100 for head in day["evidence"].values())


def test_no_alarm_ends_without_responder_and_outcome(day: Day) -> None:
    """ALR-04: whatever was resolved has an outcome."""
    assert all(i["outcome"] for i in day["incidents"] if i["resolved"])


def _step(day: Day, name: str) -> bool:
    return next(s["done"] for s in day["steps"] if s["name"] == name)


def test_evd_08_after_the_day_log_tables_files_and_readings_agree(day: Day) -> None:
    """Thousands of rows and events, each as its entry says; every space judged again tells the same excursions."""
    assert day["audit"]["flaws"] == []
    assert day["audit"]["not_compared"] == {}
    compared = day["audit"]["compared"]
    assert compared["rows"] > 2_000
    assert compared["events"] > 2_000
    assert compared["segments"] > 50
    assert compared["space days judged again"] > 60
