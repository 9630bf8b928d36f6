"""The new site of the day: refused at its gate until every dependency is owned, its route proven, its spares there."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from waystation.alarms import actions as alarms
from waystation.journeys import launch_site
from waystation.kernel.refusals import Refusal
from waystation.registry import actions as registry
from waystation.service_levels import actions as service_levels
from waystation.simulator.player import Player

SITE = "huelva"
FUNCTIONS = {"facilities": "ana-prieto", "operations": "teresa-gago", "it": "ana-prieto"}


class NewSite:
    """What people do for the site that is being onboarded. `noted` keeps what the gate said."""

    def __init__(self, player: Player, noted: dict[str, str]) -> None:
        self.player, self.noted = player, noted
        self.site_id = player.built.sites.get(SITE)

    def steps(self) -> list[tuple[str, Callable[[datetime], None]]]:
        """What is done when, by the UTC clock of the day."""
        if self.site_id is None:
            return []
        return [("07:30", self.start), ("08:00", self.try_gate), ("09:00", self.own), ("09:30", self.open)]

    def start(self, now: datetime) -> None:
        """The checklist of the template."""
        ana = self.player.who("ana-prieto")
        assert self.site_id is not None
        launch_site.start(ana, self.site_id, now=now)

    def try_gate(self, now: datetime) -> None:
        """Ana wants to sign; the gate names what is missing."""
        assert self.site_id is not None
        try:
            launch_site.sign(self.player.who("ana-prieto"), self.site_id, "operations", now=now)
        except Refusal as refused:
            self.noted["gate_refused"] = str(refused)

    def own(self, now: datetime) -> None:
        """The last dependency gets its owner, every check is shown by somebody, and a test page is confirmed by all."""
        assert self.site_id is not None
        ana, pau = self.player.who("ana-prieto"), self.player.who("pau-ribas")
        nuria, agreed = (
            self.player.who("nuria-gil"),
            {"criticality": "food", "commitments": "none", "volume_per_month": 200},
        )
        reason = "no local kit yet: recovery within two days is agreed with the customer"
        service_levels.set_class(nuria, self.site_id, "C", inputs=agreed, reason=reason, now=now)
        held = launch_site.gate(ana, self.site_id, now, fresh=False)
        for name, owner in held.facts.dependencies.items():
            if not owner:
                values = {"site_id": self.site_id, "dependency": name, "escalation": "Blanca Sanz"}
                person = self.player.built.people["elena-mora"]
                registry.create(pau, "owner", values | {"person_id": person}, now=now)
        for check in held.facts.checks:
            if check.state != "passed":
                launch_site.record(
                    ana, self.site_id, check.key, passed=True, evidence="seen on site, sheet 12", now=now
                )
        test = alarms.test_route(ana, self.site_id, now=now)
        for person_id in test.people:
            code = next((c for c, p in self.player.built.people.items() if str(p) == str(person_id)), None)
            if code is not None:
                alarms.confirm_route(self.player.who(code), test.pk, now=now)

    def open(self, now: datetime) -> None:
        """Three functions sign the same state, and the site opens; while something is missing it stays shut."""
        assert self.site_id is not None
        ana = self.player.who("ana-prieto")
        try:
            for function, code in FUNCTIONS.items():
                launch_site.sign(self.player.who(code), self.site_id, function, now=now)
            launch_site.open_site(ana, self.site_id, now=now)
            self.noted["site_opened"] = SITE
        except Refusal as refused:
            self.noted["still_shut"] = str(refused)
