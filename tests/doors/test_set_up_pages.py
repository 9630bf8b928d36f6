"""Set-up: what waits for somebody's word, with the form for who may say it, and none for who may not."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from uuid import uuid4

import pytest
from django.test import Client

from tests.conftest import ROOT, START, PeopleMaker
from waystation.access.models import Person
from waystation.journeys.network_file import load
from waystation.journeys.set_up import waiting
from waystation.kernel.authority import Authority
from waystation.kernel.clock import FastClock
from waystation.registry.models import ProductProfile, Sensor, Template
from waystation.spares.models import SourcingRule
from waystation.telemetry.models import Calibration

pytestmark = pytest.mark.django_db
SignedIn = Callable[..., Client]
CERTIFICATE = {
    "probe_serial": "P-77",
    "certificate": "C-1",
    "laboratory": "Lab",
    "valid_from": "2026-11-01",
    "valid_until": "2027-11-01",
    "uncertainty_c": "0,2",
}


@pytest.fixture
def network(system: Authority, clock: FastClock) -> None:
    """The quickstart's network, as loaded."""
    assert load(system, (ROOT / "docs" / "operate" / "smallest.json").read_bytes(), now=START, apply=True).applied


def _words(reply: object) -> str:
    return reply.content.decode()  # type: ignore[attr-defined,no-any-return]


@pytest.mark.usefixtures("network")
def test_hub_08_each_word_is_said_on_the_page_by_who_may(signed_in: SignedIn, system: Authority) -> None:
    """QA approves and binds, the service manager approves the chain, the administrator sends links: nothing waits."""
    quality, manager, admin = signed_in("quality"), signed_in("service_manager"), signed_in("administrator")
    profile, template, chain = ProductProfile.objects.get(), Template.objects.get(), SourcingRule.objects.get()
    assert "6 things wait" in _words(admin.get("/set-up/"))
    assert quality.post(f"/set-up/profiles/{profile.pk}/approve/", {"reason": "label"}).status_code == 302
    assert admin.post(f"/set-up/templates/{template.pk}/publish/").status_code == 302
    assert manager.post(f"/set-up/chains/{chain.pk}/approve/", {"reason": "agreed"}).status_code == 302
    sensor = Sensor.objects.get()
    assert quality.post(f"/set-up/sensors/{sensor.pk}/bind/", CERTIFICATE).status_code == 302
    bound = Calibration.objects.get()
    assert (bound.uncertainty_c, bound.valid_until.date()) == (0.2, date(2027, 11, 1))
    left = waiting(system, START)
    assert left.count == len(left.closed_accounts) == 3
    assert "Nothing waits" in _words(quality.get("/set-up/"))


@pytest.mark.usefixtures("network")
def test_hub_08_a_welcome_link_opens_the_account_it_names(signed_in: SignedIn, system: Authority) -> None:
    """Shown once, for that person alone; afterwards nobody else makes a link for an account that is in use."""
    ola = Person.objects.get(name="Ola Dahl")
    admin = signed_in("administrator")
    shown = _words(admin.post(f"/set-up/people/{ola.pk}/welcome/"))
    token = shown.partition("/welcome/")[2].partition("/")[0]
    assert token not in _words(admin.get("/set-up/"))
    visitor = Client()
    assert "Ola Dahl" in _words(visitor.get(f"/welcome/{token}/"))
    body = {"email": "other@example.org", "name": "Somebody Else", "password": "correct horse battery"}
    assert visitor.post(f"/welcome/{token}/", body).status_code == 302
    ola.refresh_from_db()
    assert (ola.email, ola.check_password("correct horse battery")) == ("ola@example.org", True)
    assert "Somebody Else" not in _words(visitor.get("/me/"))
    again = admin.post(f"/set-up/people/{ola.pk}/welcome/")
    assert again.status_code == 409
    assert "has opened the account already" in _words(again)


@pytest.mark.usefixtures("network")
@pytest.mark.parametrize("role", ["operator", "hub_technician", "auditor", "leadership"])
def test_sec_06_who_may_not_sees_what_waits_and_changes_nothing(signed_in: SignedIn, role: str) -> None:
    """No form is drawn, and a form that is sent anyway is refused."""
    client = signed_in(role)
    page = client.get("/set-up/")
    assert page.status_code == 200
    assert 'action="/set-up/' not in _words(page)
    for path, body in (
        (f"profiles/{ProductProfile.objects.get().pk}/approve", {"reason": "x"}),
        (f"templates/{Template.objects.get().pk}/publish", {}),
        (f"chains/{SourcingRule.objects.get().pk}/approve", {"reason": "x"}),
        (f"sensors/{Sensor.objects.get().pk}/bind", CERTIFICATE),
        (f"people/{Person.objects.get(name='Ola Dahl').pk}/welcome", {}),
    ):
        assert client.post(f"/set-up/{path}/", body).status_code == 403, path
    assert ProductProfile.objects.get().approved_at is None
    assert not Calibration.objects.exists()


@pytest.mark.usefixtures("network")
@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"probe_serial": " "}, "The probe serial is missing."),
        ({"valid_from": "yesterday"}, "&#x27;yesterday&#x27; is no date."),
        ({"uncertainty_c": "little"}, "&#x27;little&#x27; is no number."),
        ({"valid_until": "2026-11-02"}, "runs 2026-11-01 to 2026-11-02"),
    ],
)
def test_a_certificate_that_cannot_be_is_refused_by_field(
    signed_in: SignedIn, changes: dict[str, str], words: str
) -> None:
    """Nothing is bound."""
    reply = signed_in("quality").post(f"/set-up/sensors/{Sensor.objects.get().pk}/bind/", CERTIFICATE | changes)
    assert reply.status_code in (409, 422)
    assert words in _words(reply)
    assert not Calibration.objects.exists()


def test_an_approval_without_a_reason_is_refused(signed_in: SignedIn, clock: FastClock) -> None:
    """QA's word carries why."""
    reply = signed_in("quality").post(f"/set-up/profiles/{uuid4()}/approve/", {"reason": ""})
    assert reply.status_code == 422
    assert "The reason is missing." in _words(reply)


def test_an_empty_installation_says_that_nothing_waits(signed_in: SignedIn, clock: FastClock) -> None:
    """And where to look next."""
    assert "Nothing waits" in _words(signed_in("administrator").get("/set-up/"))


@pytest.mark.usefixtures("network")
def test_int_09_the_api_publishes_and_welcomes_too(signed_in: SignedIn, person: PeopleMaker) -> None:
    """The same verbs by API: publish a template, make a link; for an open account it is refused."""
    admin = signed_in("administrator")
    held = admin.get("/api/v1/fleet/waiting").json()
    assert {name: len(rows) for name, rows in held.items()} == {
        "profiles": 1, "templates": 1, "chains": 0, "uncertified": 1, "closed_accounts": 3
    }  # fmt: skip
    key = Template.objects.get().pk
    assert admin.post(f"/api/v1/registry/template/{key}/publish").status_code == 200
    assert Template.objects.get().published_at == START
    ola = Person.objects.get(name="Ola Dahl")
    made = admin.post(f"/api/v1/access/people/{ola.pk}/welcome")
    assert made.status_code == 201
    assert Client().get(made.json()["link"]).status_code == 200
    refused = admin.post(f"/api/v1/access/people/{person('bo').pk}/welcome")
    assert (refused.status_code, refused.json()["code"]) == (409, "access.account_open")


@pytest.mark.usefixtures("network")
def test_tel_05_qa_says_on_the_page_of_a_space_how_long_a_reading_stands(signed_in: SignedIn) -> None:
    """The form stands for QA alone; what it says is kept, and what cannot be is refused in words."""
    sensor = Sensor.objects.get()
    quality, operator = signed_in("quality"), signed_in("operator")
    page = f"/spaces/{sensor.space_id}/"
    assert "How long a reading stands" in _words(quality.get(page))
    assert "How long a reading stands" not in _words(operator.get(page))
    body = {"sensor": str(sensor.pk), "hold_s": str(2 * sensor.interval_s), "reason": "LoRaWAN"}
    assert operator.post("/sensors/hold/", body).status_code == 403
    refused = quality.post("/sensors/hold/", body | {"hold_s": "99999"})
    assert (refused.status_code, "cannot stand for 99999 s" in _words(refused)) == (422, True)
    assert quality.post("/sensors/hold/", body).status_code == 302
    assert Sensor.objects.get().hold_s == 2 * sensor.interval_s


@pytest.mark.usefixtures("network")
def test_tel_03_a_profile_that_comes_with_the_platform_is_added_on_the_page(signed_in: SignedIn) -> None:
    """The administrator adds it, QA sees its source and that it is from memory, and approves it; it leaves the list."""
    admin, quality = signed_in("administrator"), signed_in("quality")
    assert "/set-up/profiles/vaccine-cdc-fridge/add/" in _words(admin.get("/set-up/"))
    assert quality.post("/set-up/profiles/vaccine-cdc-fridge/add/").status_code == 403
    assert admin.post("/set-up/profiles/vaccine-cdc-fridge/add/").status_code == 302
    row = ProductProfile.objects.get(code="vaccine-cdc-fridge")
    shown = _words(quality.get("/set-up/"))
    assert "CDC Vaccine Storage and Handling Toolkit" in shown
    assert "written from memory: check it before approving" in shown
    assert "/set-up/profiles/vaccine-cdc-fridge/add/" not in shown
    assert (
        quality.post(f"/set-up/profiles/{row.pk}/approve/", {"reason": "compared with the toolkit"}).status_code == 302
    )
    assert [one["code"] for one in quality.get("/api/v1/registry/shipped-profiles").json()].count(row.code) == 0
