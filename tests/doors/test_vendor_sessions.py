"""Vendor sessions through the real doors: a jump host feeds them, people follow them, a pack holds them."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.http import HttpResponse
from django.test import Client

from tests.conftest import START
from tests.doors.pages import trouble
from tests.rooms.evidence.second import second_verdicts
from tests.rooms.spares.network import system
from tests.rooms.telemetry.samples import a_monitored_space, deliver, judge, minutes
from tests.samples import a_device, a_site
from waystation.access import actions as access
from waystation.evidence import placed, reviews
from waystation.evidence.rules import pack as packing
from waystation.evidence.verifier.verify import verify_pack
from waystation.fleet import upkeep
from waystation.fleet.models import MaintenanceOrder
from waystation.journeys import evidence_pack, story
from waystation.journeys.paper.contents import contents
from waystation.journeys.paper.document import paper
from waystation.journeys.vendor_sessions import COLUMNS
from waystation.kernel.authority import Authority
from waystation.kernel.clock import FastClock
from waystation.registry.models import Vendor
from waystation.service_levels.models import SessionStep, VendorSession
from waystation.telemetry.engine import Engine
from waystation.worker.work import deadlines

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("folder")]
Signed = Callable[..., Client]
Acting = Callable[..., Authority]
API = "/api/v1/vendor-sessions/"
HOUR = timedelta(hours=1)


@pytest.fixture
def host(clock: FastClock) -> Client:
    """A jump host of Córdoba, by its token."""
    site = a_site()
    _, token = access.create_machine(system(), name="jump", role="jump_host", site_id=site.pk, now=START)
    return Client(headers={"Authorization": f"Bearer {token}"})


def send(client: Client, path: str = "", **body: Any) -> HttpResponse:
    """A write by API."""
    return client.post(f"{API}{path}", json.dumps(body), content_type="application/json")


def asked(**changes: Any) -> dict[str, Any]:
    """Rui of Friotec, remote, for a battery."""
    Vendor.objects.get_or_create(code="friotec", defaults={"name": "Friotec", "kind": "repair"})
    base = {"vendor": "friotec", "site": "cordoba", "person": "Rui", "why": "UPS battery", "over": "remote"}
    return base | changes


def opened(client: Client, **changes: Any) -> dict[str, Any]:
    """A session as the API answers it."""
    reply = send(client, **asked(**changes))
    assert reply.status_code == 201, reply.content
    return dict(reply.json())


def step(what: str = "show version", **changes: Any) -> dict[str, Any]:
    """A command given now."""
    return {"at": START.isoformat(), "kind": "command", "what": what, "target": "fw-1"} | changes


def test_ven_03_a_jump_host_feeds_a_session_and_a_repeated_request_is_kept_once(host: Client, clock: FastClock) -> None:
    """Open, two steps, the same request again, close: what was typed is there without its secret."""
    made = opened(host)
    assert (made["closed_at"], made["due_at"]) == (None, "2026-11-17T10:00:00Z")
    body = json.dumps({"steps": [step(), step("set password=hunter2")]})
    for _ in range(2):
        reply = host.post(
            f"{API}{made['id']}/steps", body, content_type="application/json", headers={"Idempotency-Key": "k1"}
        )
        assert reply.status_code == 201, reply.content
    clock.advance(3600)
    assert send(host, f"{made['id']}/close").json()["ending"] == "closed"
    told = host.get(f"{API}{made['id']}").json()
    assert [(s["number"], s["what"], s["masked"]) for s in told["steps"]] == [
        (1, "show version", 0),
        (2, "set password=[masked]", 1),
    ]
    assert told["open_s"] == 3600
    assert not SessionStep.objects.filter(what__contains="hunter2").exists()


def test_ven_03_a_session_names_the_incident_or_the_order_of_its_site(host: Client, signed_in: Signed) -> None:
    """Another site's is refused, and one that is not there."""
    a_monitored_space(START)
    _, incident = trouble()
    work = [
        upkeep.plan(system(), upkeep.Plan(device.pk, "corrective", "repair", "Fan", START, START + HOUR), now=START).pk
        for device in (a_device(), a_device("jaen", "gw-2"))
    ]
    made = opened(host, incident=f"INC-{incident.number}", maintenance=str(work[0]))
    assert (made["incident_id"], made["maintenance_id"]) == (str(incident.pk), str(work[0]))
    it = signed_in("it")
    for changes, status in (
        ({"site": "jaen", "incident": f"INC-{incident.number}"}, 422),
        ({"maintenance": str(work[1])}, 422),
        ({"incident": "INC-99"}, 404),
    ):
        assert send(it, **asked(**changes)).status_code == status
    assert VendorSession.objects.count() == 1
    assert MaintenanceOrder.objects.count() == 2


@pytest.mark.parametrize(
    "body", [{"limit_h": 13}, {"limit_h": 0}, {"over": "air"}, {"person": "x" * 121}, {"vendor": "nobody"}]
)
def test_ven_03_what_cannot_be_opened_is_refused(body: dict[str, Any], host: Client) -> None:
    """And at another site than the token's, whatever is sent."""
    assert send(host, **asked(**body)).status_code in (404, 422)
    a_site("jaen")
    assert send(host, **asked(site="jaen")).status_code == 403
    assert not VendorSession.objects.exists()


def test_ven_03_a_session_left_open_stands_out_until_the_worker_ends_it(
    host: Client, signed_in: Signed, clock: FastClock
) -> None:
    """On the list, on its site's page; then it is said that its owner did not close it."""
    made = opened(host, limit_h=2)
    it = signed_in("it")
    clock.advance(3 * 3600)
    for address in ("/vendor-sessions/", "/sites/cordoba/", f"/vendor-sessions/{made['id']}/"):
        assert "pen since" in it.get(address).content.decode(), address
    assert "past its limit" in it.get("/vendor-sessions/").content.decode()
    assert deadlines(clock.now()) == 1
    assert "not closed by its owner" in it.get("/vendor-sessions/").content.decode()
    assert "No session is open." in it.get("/sites/cordoba/").content.decode()
    assert [s["id"] for s in it.get(f"{API}?standing=by_limit").json()] == [made["id"]]


def test_ven_03_on_the_pages_a_session_is_opened_followed_and_closed(signed_in: Signed, clock: FastClock) -> None:
    """By forms alone; a masked secret is said beside its line."""
    it = signed_in("it")
    a_site()
    made = it.post("/vendor-sessions/open/", asked(limit_h="2"))
    assert made.status_code == 302, made.content
    where = made["Location"]
    kept = it.post(f"{where}steps/", {"kind": "command", "what": "set token=abcd1234", "target": "fw-1"}, follow=True)
    assert "Secrets masked: 1." in kept.content.decode()
    page = it.get(where).content.decode()
    assert "set token=[masked]" in page
    assert "1 secret masked" in page
    assert "abcd1234" not in page
    closed = it.post(f"{where}close/", {"note": "Battery is new"}, follow=True).content.decode()
    assert "Closed by who opened it" in closed
    assert "Battery is new" in closed
    assert 'action="/vendor-sessions/' not in closed


def test_ven_03_who_may_not_follow_sessions_reads_them_without_forms(host: Client, signed_in: Signed) -> None:
    """And a form sent all the same is refused."""
    made = opened(host)
    reader = signed_in("auditor")
    for address in ("/vendor-sessions/", f"/vendor-sessions/{made['id']}/"):
        page = reader.get(address).content.decode()
        assert "Rui" in page
        assert 'action="/vendor-sessions/' not in page
    assert reader.post(f"/vendor-sessions/{made['id']}/close/", {}).status_code == 403


def test_evd_12_exported_sessions_have_a_line_for_each_step(host: Client, signed_in: Signed) -> None:
    """With schema, site id and UTC; a session without a step has its line too; no formula runs."""
    made = opened(host)
    send(host, f"{made['id']}/steps", steps=[step("=cmd"), step("reload")])
    opened(host, person="Ana")
    for address in (f"{API}steps.csv", "/vendor-sessions/steps.csv"):
        lines = list(csv.DictReader(io.StringIO(signed_in("auditor").get(address).content.decode())))
        assert tuple(lines[0]) == COLUMNS
        assert sorted((x["person"], x["what"]) for x in lines) == [("Ana", ""), ("Rui", "'=cmd"), ("Rui", "reload")]
        assert {(x["schema"], x["site_id"], x["opened_at"]) for x in lines} == {
            ("waystation.vendor_sessions/1", made["site_id"], "2026-11-17T06:00:00Z")
        }


def test_qal_08_sessions_are_in_the_story_and_their_ends_are_reviewed(
    host: Client, acting: Acting, clock: FastClock
) -> None:
    """QA signs that a session was opened and how it ended; each command stands in the site's story."""
    made = opened(host)
    send(host, f"{made['id']}/steps", steps=[step()])
    send(host, f"{made['id']}/close")
    by = acting("quality", "auditor")
    lines = story.story(by, a_site(), START, START + HOUR)
    told = [line for line in lines if "session" in line.words]
    assert [line.words.removeprefix("service levels: session ") for line in told] == ["opened", "step", "closed"]
    assert "did show version" in told[1].detail
    groups = reviews.grouped(reviews.trail(by, START, START + HOUR).lines)
    assert [line.entry.kind for line in groups["vendor sessions"]] == [
        "service_levels.session_opened",
        "service_levels.session_closed",
    ]


def members(data: bytes) -> dict[str, bytes]:
    """What is in an archive."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def test_ven_03_a_pack_holds_the_sessions_of_its_period_and_none_can_be_changed_unseen(
    host: Client, clock: FastClock
) -> None:
    """Step by step, open ones as open; both verifiers refuse another command, another ending, a missing member."""
    space, (probe,) = a_monitored_space(START)
    deliver(space, minutes(probe, START, [5.0 + 0.1 * (i % 2) for i in range(125)]), START + 2 * HOUR)
    judge(Engine(), START + 2 * HOUR)
    made = opened(host)
    send(host, f"{made['id']}/steps", steps=[step(), step("reload")])
    send(host, f"{made['id']}/close", note="All well")
    opened(host, person="Ana")
    data = evidence_pack.make(system(), "cordoba", START, START + 2 * HOUR, now=START + 12 * HOUR, wait=_never)
    whole = members(data)
    rows = [r for r in json.loads(whole["access.json"]) if "session" in r]
    assert [r["facts"].get("did") for r in rows if r["kind"].endswith("step")] == ["show version", "reload"]
    assert {(r["person"], r["at_the_end"]) for r in rows} == {("Rui", "closed"), ("Ana", "open")}
    assert any(r["kind"].startswith("access.") for r in json.loads(whole["access.json"]))
    told = {s["who"].partition(",")[0]: s for s in contents(data)["vendor_sessions"]}
    assert (told["Rui"]["steps"], told["Ana"]["state"]) == ("2", "OPEN")
    assert paper(data).startswith(b"%PDF")
    trust, packs = placed.trust("iberia"), [data]
    kept = whole["access.json"]
    bent = {k: v for k, v in whole.items() if k not in (packing.MANIFEST, "access.json")}
    for content in (kept.replace(b"reload", b"status"), kept.replace(b'"open"', b'"closed"'), b"[]\n"):
        assert content != kept
        packs.append(packing.build_pack(bent | {"access.json": content}))
    packs.append(packing.build_pack(dict(bent)))
    first, second = [verify_pack(one, trust) for one in packs], second_verdicts(packs, trust)
    assert (first[0].ok, second[0]["verified"]) == (True, True)
    for one, other in zip(first[1:], second[1:], strict=True):
        assert {r.member for r in one.refusals} == {"access.json"} == {r["member"] for r in other["refusals"]}
    assert contents(packs[-1])["vendor_sessions"] is None


def _never() -> None:
    raise AssertionError("nothing is to be waited for")
