"""The report of a closed month at every door: the same bytes, the same figures, and who may not is refused."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from tests.rooms.telemetry.samples import a_monitored_space
from tests.samples import a_site
from waystation.cli.overview import _write
from waystation.evidence.actions import NewEntry, record
from waystation.journeys import month_end
from waystation.journeys.month_files import KINDS, MIME
from waystation.kernel.authority import Authority
from waystation.kernel.clock import FastClock
from waystation.kernel.refusals import BadInput, Conflict
from waystation.service_levels import editions
from waystation.service_levels.models import MonthEdition
from waystation.service_levels.rules.month import settled_at
from waystation.telemetry import stores
from waystation.worker.work import loops_beside

pytestmark = pytest.mark.django_db
SignedIn = Callable[..., Client]
OPENED = datetime(2026, 10, 31, 20, tzinfo=UTC)
CLOSED = settled_at("2026-10")


@pytest.fixture(autouse=True)
def telemetry_folder(tmp_path: Path, settings: Any) -> Iterator[None]:
    """Log and segments of the test's own."""
    settings.DATA = tmp_path
    yield
    stores._log.cache_clear()


@pytest.fixture
def october(system: Authority) -> MonthEdition:
    """The report of October: Córdoba opened at 20:00 on the 31st and said nothing."""
    a_monitored_space(OPENED)
    site = a_site("cordoba")
    facts = {"from": "commissioning", "to": "active"}
    record([], entry=NewEntry("registry.site_state", site.pk, system, OPENED, site.pk, facts=facts))
    return month_end.make(system, "2026-10", now=CLOSED)


@pytest.mark.parametrize("kind", KINDS)
def test_sla_12_api_console_and_store_give_the_same_bytes(
    kind: str, october: MonthEdition, signed_in: SignedIn, clock: FastClock
) -> None:
    """Each file as it was kept, by its own type and name."""
    client, kept = signed_in("leadership"), editions.content(october, kind)
    by_api = client.get(f"/api/v1/service_levels/months/2026-10?kind={kind}")
    by_page = client.get(f"/overview/months/2026-10/{kind}/")
    assert by_api.content == by_page.content == kept
    assert by_api["Content-Type"] == by_page["Content-Type"] == MIME[kind]
    assert f'filename="month-2026-10.{kind}"' in by_page["Content-Disposition"]


def test_sla_12_the_page_of_a_month_says_its_figures_its_gaps_and_its_later_edition(
    october: MonthEdition, system: Authority, signed_in: SignedIn, clock: FastClock
) -> None:
    """0 of 1 sites kept, the four silent hours named as missing; a second edition is named on the first one's page."""
    client = signed_in("leadership")
    page = client.get("/overview/months/2026-10/").content.decode()
    for words in ("0 of 1", "0.00 %", "not shown", "4.0 h", "edition 1"):
        assert words in page
    assert "supersedes" not in page
    files = {kind: editions.content(october, kind) for kind in KINDS}
    changes = [{"site_id": "x", "site": "cordoba", "words": "sites: other signals"}]
    editions.keep(system, "2026-10", 2, files, changes, now=CLOSED + timedelta(days=1))
    assert "Edition 2 supersedes it" in client.get("/overview/months/2026-10/").content.decode()
    listed = client.get("/overview/months/").content.decode()
    assert "1 record" in listed
    told = client.get("/api/v1/service_levels/months").json()
    assert [(m["month"], m["edition"], m["differs_in"]) for m in told] == [("2026-10", 2, 1), ("2026-10", 1, 0)]
    assert client.get("/overview/months/2026-10/?edition=2").status_code == 200


def test_sla_12_who_may_not_and_what_is_not_there_is_refused_at_each_door(
    october: MonthEdition, signed_in: SignedIn, clock: FastClock
) -> None:
    """403 without the permission, 404 for a month, edition or site that is not there, 422 for what cannot be read."""
    nobody, client = signed_in("vendor"), signed_in("leadership")
    for path in ("/overview/months/", "/overview/months/2026-10/", "/overview/months/2026-10/pdf/"):
        assert nobody.get(path).status_code == 403
    for path in ("months", "months/2026-10"):
        assert nobody.get(f"/api/v1/service_levels/{path}").status_code == 403
    asked = {"2026-09": 404, "2026-10?edition=7": 404, "2026-10?site=faro": 404, "soon": 422}
    asked |= {"2026-10?kind=doc": 422, "2026-10?site=a&region=b": 422}
    for words, status in asked.items():
        assert client.get(f"/api/v1/service_levels/months/{words}").status_code == status, words
    assert client.get("/overview/months/2026-10/doc/").status_code == 422
    assert client.get("/overview/months/2026-10/?edition=two").status_code == 422
    assert client.get("/overview/months/2026-10/?site=faro").status_code == 404


def test_sla_12_without_a_closed_month_the_page_says_so(signed_in: SignedIn, clock: FastClock) -> None:
    """And leads to the present."""
    assert "No month is closed yet." in signed_in("leadership").get("/overview/months/").content.decode()


def test_sla_12_the_worker_has_the_loop_that_makes_reports(october: MonthEdition) -> None:
    """It finds nothing to do for a month that has its edition, and makes the next when that is closed."""
    loop = next(loop for loop in loops_beside() if loop.name == "month reports")
    assert loop.work(CLOSED + timedelta(hours=1)) == 0
    assert MonthEdition.objects.count() == 1


def test_sla_12_a_file_is_written_beside_what_is_there_and_never_over_it(tmp_path: Path) -> None:
    """The same bytes again are no conflict; other bytes are left alone; a folder that cannot be is named."""
    _write(tmp_path / "out" / "month.json", b"one")
    _write(tmp_path / "out" / "month.json", b"one")
    with pytest.raises(Conflict):
        _write(tmp_path / "out" / "month.json", b"other")
    assert (tmp_path / "out" / "month.json").read_bytes() == b"one"
    with pytest.raises(BadInput):
        _write(tmp_path / "out" / "month.json" / "below", b"x")
