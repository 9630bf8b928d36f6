"""The paper of a pack: everything an inspector looks for, from the pack's own bytes, the same bytes every time."""

from __future__ import annotations

import io
import json
import os
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from django.test import Client
from hypothesis import given
from hypothesis import strategies as st

from tests.conftest import START
from tests.rooms.spares.network import system
from tests.rooms.telemetry.samples import a_monitored_space, deliver, judge, minutes
from waystation.alarms import actions as alarms
from waystation.alarms.rules.conditions import Condition
from waystation.evidence import placed
from waystation.evidence.rules import pack as packing
from waystation.evidence.verifier.verify import verify_pack
from waystation.journeys import evidence_pack
from waystation.journeys.paper.chart import Line, Scene, drawn
from waystation.journeys.paper.contents import ON_PAGE_ONE, contents
from waystation.journeys.paper.document import page_images, paper
from waystation.kernel.authority import Authority
from waystation.kernel.clock import FastClock
from waystation.registry.models import Site
from waystation.telemetry.engine import Engine

pytestmark = pytest.mark.usefixtures("folder")

HOUR = timedelta(hours=1)
Acting = Callable[..., Authority]


def _a_pack(acting: Acting, **more: Any) -> bytes:
    """A morning with an excursion, a silence, an alarm that was acknowledged."""
    space, (probe, second) = a_monitored_space(START, probes=2)
    Site.objects.filter(pk=space.site_id).update(zone="Europe/Madrid")
    values = [5.0 + 0.1 * (i % 7) + (6.0 if 60 <= i < 70 else 0.0) for i in range(245)]
    deliver(space, minutes(probe, START, values), START + 4 * HOUR)
    deliver(space, [r for i, r in enumerate(minutes(second, START, values)) if not 120 <= i < 150], START + 4 * HOUR)
    judge(Engine(), START + 4 * HOUR)
    condition = Condition("excursion", space.site_id, "space", space.pk, START + HOUR, {"value_c": 11.0})
    (raised,) = alarms.update(system(), space.site_id, [condition], now=START + 1.1 * HOUR).raised
    alarms.acknowledge(acting("operator"), raised.pk, now=START + 1.15 * HOUR)
    return evidence_pack.make(
        system(), "cordoba", START, START + 4 * HOUR, now=START + 5 * HOUR, wait=lambda: None, **more
    )


@pytest.mark.django_db
def test_evd_10_the_paper_says_what_the_pack_says(acting: Acting) -> None:
    """Claim, durations, reasons, statistics, excursions, gaps with cause, probes, alarm chain, changes, digest."""
    data = _a_pack(acting)
    said = contents(data)
    claim = json.loads(zipfile.ZipFile(io.BytesIO(data)).read("claim.json"))
    assert said["sentence"] == (
        "fridge-1 of cordoba: out of range for 10.0 min, in 2 excursions, "
        "from 17 Nov 2026 07:00 UTC+01:00 to 17 Nov 2026 11:00 UTC+01:00."
    )
    assert said["digest"] == packing.digest(data)
    assert [d["minutes"] for d in said["durations"]] == ["200.5", "10.0", "29.5"]
    assert sum(float(d["share"].removesuffix(" %")) for d in said["durations"]) == pytest.approx(100, abs=0.02)
    assert [r["what"] for r in said["not_proven"]] == [one["reason"] for one in claim["not_proven"]]
    (space,) = said["spaces"]
    first, second = space["sensors"]
    assert (first["interval"], first["min"], first["max"]) == ("60 s", "5.00", "11.60")
    assert (first["proven"], first["out"], first["unproven"]) == ("230.0", "10.0", "0.0")
    assert (second["unproven"], float(second["mkt"]) > float(second["mean"])) == ("29.5", True)
    assert [(e["peak"], e["minutes"]) for e in space["excursions"]] == [("11.60", "10.0"), ("11.60", "10.0")]
    assert [(g["minutes"], g["cause"]) for g in space["gaps"]] == [("29.5", "no reading")]
    assert (space["mapping"], space["mapping_due"]) == ("MAP-1", "2027-06-30")
    assert [p["serial"] for p in said["probes"]] == ["TP-fridge-1-0", "TP-fridge-1-1"]
    assert {"raised", "acknowledged"} <= {a["step"] for a in said["alarms"]}
    assert all(a["at"].endswith("UTC+01:00") for a in said["alarms"])
    assert "Unwitnessed since 17 Nov 2026 12:00 UTC+01:00" in said["witness"]
    assert said["software"]
    assert said["made"] == "17 Nov 2026 12:00 UTC+01:00"


@pytest.mark.django_db
def test_evd_10_one_pack_has_one_paper_and_it_looks_like_one(acting: Acting) -> None:
    """The same bytes twice; another pack's differ; every page is drawn."""
    data = _a_pack(acting)
    first = paper(data)
    assert first == paper(data)
    assert first.startswith(b"%PDF-")
    pages = page_images(data, ppi=110)
    assert len(pages) >= 3
    if folder := os.environ.get("PAPER_FOLDER"):
        for number, page in enumerate(pages, 1):
            (Path(folder) / f"page{number}.png").write_bytes(page)
        (Path(folder) / "paper.pdf").write_bytes(first)


@pytest.mark.django_db
def test_evd_10_pack_and_paper_come_together_by_console_and_api(
    acting: Acting, signed_in: Callable[..., Client], clock: FastClock
) -> None:
    """One answer holds both, and the digest at the paper's foot is that of the pack beside it."""
    _a_pack(acting)
    clock.advance_to(START + 6 * HOUR)
    client = signed_in("quality")
    period = {"site": "cordoba", "from": "2026-11-17T07:00", "to": "2026-11-17T11:00"}
    by_console = client.get("/evidence/pack/", period)
    by_api = client.get(
        "/api/v1/evidence/pack",
        {"site": "cordoba", "from": "2026-11-17T06:00:00Z", "to": "2026-11-17T10:00:00Z", "paper": "true"},
    )
    for reply in (by_console, by_api):
        assert reply.status_code == 200, reply.content[:300]
        with zipfile.ZipFile(io.BytesIO(reply.content)) as both:
            names = sorted(both.namelist())
            assert len(names) == 2
            data = next(both.read(name) for name in names if name.endswith(".zip"))
            pdf = next(both.read(name) for name in names if name.endswith(".pdf"))
        assert pdf == paper(data)
        assert verify_pack(data, placed.trust("iberia")).ok
    assert "Make the pack and its paper" in client.get("/evidence/").content.decode()
    assert client.get("/evidence/pack/", {"site": "cordoba", "from": "2026-11-17T07:00"}).status_code == 422
    assert signed_in("hub_technician").get("/evidence/pack/", period).status_code == 403


@pytest.mark.django_db
def test_no_text_of_a_pack_becomes_markup_and_more_reasons_are_told(acting: Acting) -> None:
    """Quotes, brackets and hashes stand as they are typed; what page one cannot hold is counted there."""
    data = _a_pack(acting)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = {name: archive.read(name) for name in archive.namelist() if name != "MANIFEST"}
    claim = json.loads(members["claim.json"])
    claim["not_checked"] = ['#panic("x") *bold* _i_ $x$ <a> [ ] \\ "']
    claim["not_proven"] = [{"reason": f"#{n} why", "from": claim["from"], "to": claim["to"]} for n in range(30)]
    members["claim.json"] = json.dumps(claim).encode()
    odd = packing.build_pack(members)
    assert len(contents(odd)["not_proven"]) > ON_PAGE_ONE
    assert paper(odd).startswith(b"%PDF-")


steps = st.lists(st.tuples(st.integers(1, 4000), st.floats(-30, 40)), min_size=1, max_size=200)


@given(steps, st.integers(600, 200_000))
def test_a_chart_holds_every_peak_and_breaks_where_nothing_was_measured(found: list[Any], length_s: int) -> None:
    """The highest reading is on it, one line for each stretch without a gap, nothing outside the frame."""
    at_us = np.cumsum([step for step, _ in found]).astype(np.int64) * 1_000_000
    value_c = np.array([value for _, value in found])
    start = datetime.fromtimestamp(0, UTC)
    line = Line(at_us, value_c, 900_000_000)
    scene = Scene(start, start + timedelta(seconds=length_s), 2.0, 8.0, [line], [(10.0, 20.0)], [], UTC)
    text = drawn(scene)
    path = text.split('<path d="')[1].split('"')[0]
    inside = at_us <= length_s * 1_000_000
    expected = 1 + int(np.sum(np.diff(at_us[inside]) > 900_000_000)) if inside.any() else 0
    assert path.count("M") == expected
    points = [p.split("h")[0].split(" ") for p in path.replace("L", "M").split("M")[1:]]
    assert all(46 <= float(x) <= 940 and 14 <= float(y) <= 296 for x, y in points)
    if inside.any():
        span = max(value_c[inside].max(), 9.0) + 0.3 - (min(value_c[inside].min(), 1.0) - 0.3)
        top = 14 + (max(value_c[inside].max(), 9.0) + 0.3 - value_c[inside].max()) / span * 282
        assert min(float(y) for _, y in points) == pytest.approx(top, abs=0.01)


def test_a_chart_names_midnights_in_the_sites_time_over_a_change_of_clocks() -> None:
    """Three days around the end of summer time: each mark is a local midnight, none is an hour off."""
    zone = ZoneInfo("Europe/Madrid")
    start = datetime(2026, 10, 24, tzinfo=zone)
    at_us = np.arange(0, 72, dtype=np.int64) * 3_600_000_000 + round(start.timestamp() * 1e6)
    scene = Scene(start, start + timedelta(days=8), 2.0, 8.0, [Line(at_us, np.full(72, 5.0), 10**10)], [], [], zone)
    text = drawn(scene)
    for day in range(24, 31):
        assert f">{day} Oct<" in text
    assert ":00<" not in text.split("<path")[0].split("Oct")[0]


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("values", "verdict", "sentence"),
    [
        ([5.0, 5.1] * 63, "in_range_proven", "fridge-1 of cordoba: between 2 and 8 °C all the time from"),
        (
            [5.0] * 60 + [None] * 20 + [5.0] * 45,
            "not_proven",
            "fridge-1 of cordoba: that it was between 2 and 8 °C from",
        ),
        (
            [5.0] * 60 + [1.5] + [5.0] * 64,
            "out_of_range",
            "fridge-1 of cordoba: out of range for 1.0 min, in 1 excursion,",
        ),
    ],
)
def test_evd_10_the_claim_is_one_sentence_whatever_the_verdict(
    values: list[float | None], verdict: str, sentence: str
) -> None:
    """Proven, not proven, out: the words, the verdict and the reasons of page one agree."""
    space, (probe,) = a_monitored_space(START)
    deliver(space, minutes(probe, START, values), START + 3 * HOUR)
    judge(Engine(), START + 3 * HOUR)
    data = evidence_pack.make(system(), "cordoba", START, START + 2 * HOUR, now=START + 5 * HOUR, wait=lambda: None)
    said = contents(data)
    assert said["verdict"] == verdict
    assert said["sentence"].startswith(sentence)
    assert bool(said["not_proven"]) == (verdict == "not_proven")
    assert said["spaces"][0]["chart"].count("url(#h)") == (1 if verdict == "not_proven" else 0)
    assert paper(data).startswith(b"%PDF-")
