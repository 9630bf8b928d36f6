"""The night at Córdoba: compatibility, time to restore and choice together, as the incident page shows them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from waystation.spares.rules import compatibility as c
from waystation.spares.rules import durations as d
from waystation.spares.rules import gates as g
from waystation.spares.rules import hours as h
from waystation.spares.rules import restore as r
from waystation.spares.rules import sourcing as s

MADRID = "Europe/Madrid"
NOW = datetime(2026, 11, 18, 2, 12, tzinfo=UTC)
LIMIT = datetime(2026, 11, 18, 3, 38, tzinfo=UTC)
MARTA = g.PeopleGate("refrigeration technician", (g.Person("Marta Ruiz", h.always(MADRID)),))
COURIER = g.PickupGate("courier", h.Pickups(MADRID, tuple((day, 450) for day in range(5))))
INSTALL = r.Step("install", d.likely_worst(2100, 2400, "reported", "Marta Ruiz"), (MARTA,))
RECHECK = r.Step("recheck", d.fixed(1200, "assumed", "house rule"))
HERE = c.Installed("CTL-200", "A", "M12", (("gateway", "4.1"),))
RULES = (
    c.Rule("CTL-200", "CTL-220", c.Range("A", "A")),
    c.Rule("CTL-200", "CTL-220", c.Range("B"), requires=(c.Requirement("gateway", c.Range("4.2")),)),
)
CHAIN = (s.ChainStep(("local", "hub")), s.ChainStep(("central",)), s.ChainStep(("vendor",), 900.0))


def path(name: str, prepare_min: float, travel_min: float, gates: tuple[g.Gate, ...] = ()) -> r.Path:
    steps = (
        r.Step("prepare", d.likely_worst(prepare_min * 50, prepare_min * 60, "measured")),
        r.Step("travel", d.likely_worst(travel_min * 55, travel_min * 60, "measured", "41 trips"), gates),
        INSTALL,
        RECHECK,
    )
    return r.Path(name, steps)


def candidate(
    name: str, channel: s.Channel, revision: str, by: r.Path, serial: str = "", cost: float = 0.0
) -> s.Candidate:
    fit = c.fits(HERE, c.Offered(name, "CTL-220", revision, connector="M12"), RULES)
    ready = r.restore(by, NOW)
    unit = s.UnitView(f"id-{serial}", serial, "stocked") if serial else None
    return s.Candidate(
        name, channel, fit.verdict, fit.words(), ready.likely_at, ready.p90_at, unit, cost, ready.refusals
    )


def night() -> list[s.Candidate]:
    return [
        candidate("Madrid", "central", "A", path("Madrid", 15, 240, (COURIER,)), "9001"),
        candidate("València hub", "hub", "B", path("València hub", 15, 60), "7002"),
        candidate("Sevilla hub", "hub", "A", path("Sevilla hub", 15, 95), "4471-0093"),
        candidate("FrioTec", "vendor", "A", path("FrioTec", 240, 90), cost=640.0),
    ]


def test_jnt_03_the_page_of_the_night_at_cordoba() -> None:
    """Sevilla by car is chosen though late, València is refused for its revision, and the product moves first."""
    need = s.Need("CTL-220", "Córdoba", MADRID, NOW, LIMIT)
    found = s.source(need, night(), CHAIN)
    assert [(j.place, j.outcome) for j in found.judged] == [
        ("Sevilla hub", "chosen"),
        ("FrioTec", "possible"),
        ("Madrid", "possible"),
        ("València hub", "refused"),
    ]
    assert found.judged[3].reason == "València hub refused: revision B needs gateway 4.2; this site runs 4.1."
    assert found.move_first
    assert found.chosen is not None
    assert found.chosen.p90_at is not None
    assert timedelta(hours=2) < found.chosen.p90_at - NOW < timedelta(hours=3, minutes=10)


def test_ful_10_the_second_incident_of_the_night_gets_the_next_path() -> None:
    """Sevilla's last one went to another incident: FrioTec, and the page says why."""
    need = s.Need("CTL-220", "Córdoba", MADRID, NOW, LIMIT)
    taken = [
        replace(c, unit=replace(c.unit, taken="INC-2042 at 03:09"))
        if c.unit and c.unit.unit_id == "id-4471-0093"
        else c
        for c in night()
    ]
    found = s.source(need, taken, CHAIN)
    assert found.chosen is not None
    assert found.chosen.place == "FrioTec"
    assert "Next path: 4471-0093 was taken by INC-2042 at 03:09." in found.chosen.reason
    gone = next(j for j in found.judged if j.serial == "4471-0093")
    assert gone.reason == "Sevilla hub refused: serial 4471-0093 was taken by INC-2042 at 03:09."


def test_hub_03_the_courier_from_madrid_names_its_wait() -> None:
    """The bar shows prepare, the wait for 07:30, travel, install and re-check, in that order."""
    found = r.restore(path("Madrid", 15, 240, (COURIER,)), NOW)
    assert [b.kind for b in found.p90] == ["prepare", "wait", "travel", "install", "recheck"]
    assert found.p90[1].reason == "courier cut-off passed; first pick-up 07:30"
    assert found.p90[1].end == datetime(2026, 11, 18, 6, 30, tzinfo=UTC)
    assert found.p90[3].reason == "Marta Ruiz"


def test_d3_with_a_known_distant_limit_the_chain_keeps_its_order() -> None:
    """A day to spare: the hub before the centre before the vendor, each in time."""
    need = s.Need("CTL-220", "Córdoba", MADRID, NOW, NOW + timedelta(days=1))
    found = s.source(need, night(), CHAIN)
    assert [j.place for j in found.judged] == ["Sevilla hub", "Madrid", "FrioTec", "València hub"]
    assert not found.move_first
    assert all("before the worst-case limit" in j.reason for j in found.judged[:3])
