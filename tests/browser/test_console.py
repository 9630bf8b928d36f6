"""The console in a real Chromium, at desk and phone size, with nothing that the browser complains about."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Opener

pytestmark = pytest.mark.browser
PAGES = (
    "/",
    "/incidents/",
    "/incidents/INC-1/",
    "/approvals/",
    "/sites/",
    "/sites/cordoba/",
    "/sites/cordoba/fridge-2/",
)
MORE = (
    "/desk/",
    "/onboarding/",
    "/overview/",
    "/hand-over/",
    "/me/",
    "/incidents/INC-3/",
    "/overview/sla/",
    "/evidence/",
    "/planning/",
    "/planning/forecast/",
    "/planning/what-if/",
    "/planning/network/",
    "/planning/certificate/",
    "/planning/uncovered/",
    "/planning/business-case/",
    "/planning/models/",
    "/planning/points/",
    "/overview/kpis/",
    "/overview/months/",
    "/overview/record/",
    "/overview/targets/",
    "/incidents/reviews/",
    "/deviations/",
    "/controls/",
    "/vendor-sessions/",
    "/maintenance/",
    "/evidence/trials/",
    "/evidence/story/",
    "/evidence/keeping/",
    "/evidence/review/",
    "/set-up/",
    "/calibration/",
    "/planning/plans/",
    "/planning/reach/",
    "/sites/cordoba/lifelines/",
    "/sites/cordoba/fridge-2/doors/",
)


def _keep(page: Page, name: str) -> None:
    """Pictures are kept where `WAYSTATION_PICTURES` says, for people to look at and for the README."""
    if folder := os.environ.get("WAYSTATION_PICTURES"):
        page.screenshot(path=Path(folder) / f"{name}.png", full_page=name != "now")


@pytest.mark.parametrize("size", ["desk", "phone"])
@pytest.mark.parametrize("dark", [False, True])
def test_every_page_opens_at_desk_and_phone_size(size: str, dark: bool, address: str, signed_in: Opener) -> None:
    """No page is wider than its window, each has one heading and at most one filled button."""
    page = signed_in("ana.prieto", size, dark)
    for path in (*PAGES, *MORE):
        reply = page.goto(address + path)
        assert reply is not None
        assert reply.status == 200, path
        expect(page.locator("h1").first).to_be_visible()
        width = page.evaluate("document.documentElement.scrollWidth")
        assert width <= page.viewport_size["width"] + 1, (path, width)  # type: ignore[index]
        name = re.sub(r"\W+", "-", path).strip("-") or "now"
        _keep(page, name if (size, dark) == ("desk", False) else f"{name}-{size}{'-dark' if dark else ''}")


def test_the_list_begins_with_the_place_that_loses_product_first(address: str, signed_in: Opener) -> None:
    """Past its limit, then dark by its worst case, then the one whose page nobody answers."""
    page = signed_in("diego.marin")
    rows = page.locator("table.now tbody tr")
    expect(rows.nth(0)).to_contain_text("Málaga")
    expect(rows.nth(0)).to_contain_text("Out of range")
    expect(rows.nth(1)).to_contain_text("Évora")
    expect(rows.nth(1)).to_contain_text("worst case")
    expect(page.locator("table.now tbody tr", has_text="Córdoba, Levante, Fridge 2")).to_contain_text("You and 2 more")


def test_qal_09_acknowledging_takes_two_taps_on_a_phone(address: str, signed_in: Opener) -> None:
    """From the list: open, confirm."""
    page = signed_in("ana.prieto", "phone")
    page.locator("summary:has-text('Acknowledge'), a:has-text('Acknowledge')").first.click()
    page.locator("button:has-text('Acknowledge'):visible").first.click()
    page.wait_for_load_state()
    expect(page.locator("[role=status]").first).to_be_visible()


def test_the_keyboard_reaches_the_search(address: str, signed_in: Opener) -> None:
    """`/` puts the cursor into it; a serial finds its unit."""
    page = signed_in("diego.marin")
    page.keyboard.press("/")
    assert page.evaluate("document.activeElement.id") == "find"
    page.keyboard.type("cordoba")
    page.keyboard.press("Enter")
    page.wait_for_load_state()
    expect(page.locator("body")).to_contain_text("Córdoba")


def test_no_request_leaves_the_machine(address: str, signed_in: Opener) -> None:
    """Fonts, scripts and maps come from here."""
    page = signed_in("helena.soler")
    asked: list[str] = []
    page.on("request", lambda r: asked.append(r.url))
    for path in ("/", "/overview/", "/sites/cordoba/fridge-2/"):
        page.goto(address + path)
    assert asked
    assert [url for url in asked if not url.startswith((address, "data:"))] == []
