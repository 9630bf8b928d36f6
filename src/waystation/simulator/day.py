"""The scripted day of the default scenario: what goes wrong, and what people decide. The rest is the product's."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from waystation.evidence.verifier.verify import verify_pack
from waystation.incidents import actions as incidents
from waystation.incidents import queries as incident_queries
from waystation.journeys import evidence_pack, failed_sensor
from waystation.kernel.refusals import NotAllowed, Refusal
from waystation.product import queries as product
from waystation.product.actions import holds, moves
from waystation.runbooks import actions as runbooks
from waystation.runbooks import queries as runbook_queries
from waystation.runbooks import running
from waystation.simulator import events
from waystation.simulator.gate import NewSite
from waystation.simulator.player import Player
from waystation.simulator.work import Work
from waystation.telemetry import queries as telemetry
from waystation.telemetry.actions import care, hand, probes

START = datetime(2026, 11, 17, 6, 0, tzinfo=UTC)
END = START + timedelta(days=1)


def at(text: str) -> datetime:
    """An instant of the scripted day by its UTC clock; before 06:00 it is the next morning."""
    hour, minute = (int(part) for part in text.split(":"))
    day = START.replace(hour=hour, minute=minute)
    return day if day >= START else day + timedelta(days=1)


class Day:
    """The day: scripts the world, then lets people act on what the product tells them."""

    def __init__(self, player: Player) -> None:
        self.player, self.work = player, Work(player)
        self.world, self.built = player.world, player.built
        self.noted: dict[str, Any] = {}
        self._done: set[str] = set()  # what happened in the world and cannot happen twice

    def script(self) -> None:
        """Everything that is known before the day begins."""
        ev = events
        self._happen(
            ev.humidity_blip("toledo", "fridge-1", at("09:10"), at("09:24")),
            ev.device_dead("zaragoza", "firewall", at("10:00")),
            ev.device_dead("pamplona", "firewall", at("10:00")),
            ev.wan_cut("evora", at("12:00"), at("14:00")),
            ev.door_left_open("evora", "fridge-2", at("12:00"), at("13:15")),
            ev.door_left_open("malaga", "fridge-1", at("12:20"), at("15:10")),
            ev.wan_cut("malaga", at("12:50"), at("14:10")),
            ev.probe_frozen("murcia-fridge-2-probe-1", at("14:20")),
            ev.flat_at("faro-fridge-1-probe-1", at("15:00")),
            ev.compressor_controller_failed("cordoba", "fridge-2", at("23:38")),
        )
        for when, step in (
            ("16:20", self._frozen_probe),
            ("17:30", self._flat_fridge),
            ("18:40", self._new_probes),
            ("00:20", self._look_at_controller),
            ("00:24", self._move_product),
            ("00:28", self._ask_approval),
            ("00:44", self._other_person_approves),
            ("05:30", self._decide_holds),
            ("05:40", self._close_late_excursion),
            *NewSite(self.player, self.noted).steps(),
        ):
            self.player.at(at(when), self._careful(step))

    def _happen(self, *happenings: events.Event) -> None:
        """Script what concerns the sites that live in this world."""
        for one in happenings:
            lives = any(one.target.startswith(code) for code in self.world.sites)
            if lives and one.at_min >= self.world.start_min:
                self.world.script(one)

    def each_minute(self, now: datetime) -> None:
        """People look at their work."""
        self.work.look(now)

    def steps(self) -> dict[str, bool]:
        """Which steps of the day came to what they should, by the product's own records."""
        by = self.player.system
        rows = incident_queries.all_incidents(by)
        causes = {(r.site.code, r.group): r for r in rows}
        cooling = causes.get(("cordoba", "cooling"))
        device = [r for r in rows if r.group == "device" and r.site.code in ("zaragoza", "pamplona")]
        excursions = telemetry.excursions_between(START, END)
        out_of_toledo = [e for e in excursions if e.space.site.code == "toledo"]
        late = [e for e in excursions if e.found_late and e.space.site.code == "evora"]
        flat = [e for e in excursions if e.in_doubt and e.space.site.code == "faro"]
        return {
            "a normal morning opens nothing": not out_of_toledo and ("toledo", "climate") not in causes,
            "a failed controller pages operator and site contact": cooling is not None
            and cooling.acknowledged_at is not None,
            "the product was moved before its limit": cooling is not None and cooling.mitigated_at is not None,
            "two firewalls raced for the last unit": len({r.device_id for r in device}) == 2,
            "a cut is one incident, its excursion found late": ("evora", "connection") in causes and bool(late),
            "a site that went dark while warming kept its alarm": ("malaga", "cooling") in causes,
            "a frozen probe proves nothing and is replaced": "second_measurement" in self.noted,
            "flat at 21 °C stays out until QA decides": bool(flat) and "operator_refused" in self.noted,
            "self-approval is refused, another person approves": {"self_approval", "approved_by"} <= set(self.noted),
            "swap, re-check, trusted again, product safe": cooling is not None and cooling.resolved_at is not None,
            "only QA decides holds": "holds_refused" in self.noted,
            "the evidence pack verifies offline": bool(self.noted.get("pack_verified")),
            "a new site waits at its gate": {"gate_refused", "site_opened"} <= set(self.noted),
        }

    def prove(self, trust: dict[str, Any]) -> bytes:
        """The evidence pack of the night at Córdoba, checked by its own verifier and with one byte flipped."""
        quality, now = self.player.who("lucia-ferrer"), self.player.clock.now()
        data = evidence_pack.make(quality, "cordoba", at("23:00"), END, space="fridge-2", now=now, wait=lambda: None)
        report = verify_pack(data, trust)
        broken = bytearray(data)
        broken[len(data) // 2] ^= 1
        found = verify_pack(bytes(broken), trust)
        self.noted["pack_verified"] = report.ok and not found.ok
        self.noted["pack_verdict"] = report.verdict
        self.noted["flip_found_in"] = str(found.refusals[0]) if found.refusals else ""
        return data

    def _careful(self, step: Callable[[datetime], None]) -> Callable[[datetime], None]:
        return self.work._careful(step)  # type: ignore[no-any-return]

    def _frozen_probe(self, now: datetime) -> None:
        """Murcia: a probe frozen at a plausible value. A hand reading is the second measurement; then it has failed."""
        pilar, operator = self.player.who("pilar-mora"), self.player.who("sara-leon")
        space, sensor = self.built.spaces["murcia/fridge-2"], self.built.sensors["murcia-fridge-2-probe-1"]
        doubt = next(d for d in telemetry.doubts(self.built.sites["murcia"]) if d.sensor_id == sensor)
        try:
            care.decide_doubt(operator, doubt.pk, decision="sensor_failed", reason="flat for two hours", now=now)
        except Refusal as refused:
            self.noted["second_measurement"] = str(refused)
        hand.hand_reading(
            pilar, space, value_c=5.1, observed_at=now, instrument="HT-31", certificate="MC-38001", now=now
        )
        failed_sensor.declare(operator, doubt.pk, reason="flat for two hours; hand reading 5.1 °C", now=now)
        self.player.at(now + timedelta(minutes=28), self._careful(self._hand_reading("pilar-mora", space, 5.0)))

    def _hand_reading(self, person: str, space: Any, value_c: float) -> Callable[[datetime], None]:
        def read(now: datetime) -> None:
            hand.hand_reading(
                self.player.who(person), space, value_c=value_c, observed_at=now, instrument="HT-31", now=now
            )

        return read

    def _flat_fridge(self, now: datetime) -> None:
        """Faro: flat at 21 °C is out of range and in doubt. An operator may not explain it away; QA may, signed."""
        joana, operator, quality = (self.player.who(p) for p in ("joana-reis", "sara-leon", "lucia-ferrer"))
        space, sensor = self.built.spaces["faro/fridge-1"], self.built.sensors["faro-fridge-1-probe-1"]
        doubt = next(d for d in telemetry.doubts(self.built.sites["faro"]) if d.sensor_id == sensor)
        hand.hand_reading(
            joana, space, value_c=4.7, observed_at=now, instrument="HT-22", certificate="MC-38002", now=now
        )
        try:
            care.decide_doubt(
                operator, doubt.pk, decision="sensor_failed", reason="hand reading 4.7", now=now, fresh_proof=True
            )
        except NotAllowed as refused:
            self.noted["operator_refused"] = str(refused)
        failed_sensor.declare(
            quality,
            doubt.pk,
            reason="probe open circuit: hand reading 4.7 °C, second opinion on site",
            now=now,
            fresh_proof=True,
        )

    def _new_probes(self, now: datetime) -> None:
        """Calibrated probes come from the hub; one whose certificate has ended cannot be bound."""
        quality = self.player.who("lucia-ferrer")
        valid = {"laboratory": "Metrocal Laboratorio", "valid_from": now - timedelta(days=60)}
        try:
            self._bind("murcia-fridge-2-probe-1", "TP-40-11999", "MC-30000", now - timedelta(days=1), now, valid)
        except Refusal as refused:
            self.noted["expired_probe"] = str(refused)
        for code, serial in (("murcia-fridge-2-probe-1", "TP-40-12001"), ("faro-fridge-1-probe-1", "TP-40-12002")):
            self._bind(code, serial, f"MC-{serial[-5:]}", now + timedelta(days=300), now, valid)
            self.world.script(events.probe_replaced(code, max(now, self.world.now)))
        self.noted["probes_bound_by"] = quality.name

    def _bind(
        self, code: str, serial: str, certificate: str, until: datetime, now: datetime, valid: dict[str, Any]
    ) -> None:
        quality = self.player.who("lucia-ferrer")
        probes.bind_probe(
            quality,
            self.built.sensors[code],
            probe_serial=serial,
            certificate=certificate,
            valid_until=until,
            uncertainty_c=0.1,
            now=now,
            **valid,
        )

    def _run(self) -> Any:
        incident = self._cooling()
        return next(r for r in runbook_queries.runs(self.player.system, incident_id=incident.pk))

    def _cooling(self) -> Any:
        space = self.built.spaces["cordoba/fridge-2"]
        rows = incident_queries.open_incidents(self.player.system, self.built.sites["cordoba"])
        return next(r for r in rows if r.space_id == space)

    def _look_at_controller(self, now: datetime) -> None:
        """Marta answers what the runbook asks of her, and adds what she sees."""
        marta, incident = self.player.who("marta-ruiz"), self._cooling()
        incidents.note(marta, incident.pk, "Relay clicks, compressor does not start.", standing="reported", now=now)
        self._answer(marta, "look", True, "Relay clicks, no start; door shut", now)

    def _answer(self, who: Any, step: str, ok: bool, detail: str, now: datetime) -> None:
        run = self._run()
        for row in runbook_queries.journal(run.pk):
            if row.step == step and row.outcome == "waiting":
                running.answer(who, run.pk, step, row.phase, ok=ok, detail=detail, now=now)

    def _move_product(self, now: datetime) -> None:
        """No part comes before the limit: the lots go to Fridge 4, and their temperature on arrival is written down."""
        marta, incident = self.player.who("marta-ruiz"), self._cooling()
        origin, target = (self.built.spaces[f"cordoba/fridge-{n}"] for n in (2, 4))
        lots = [c.pk for c in product.standing_in(origin)]
        begun = next((m for m in product.moves_of(incident.pk) if m.arrived_at is None), None)
        move = begun or moves.start_move(marta, origin, target, lots, now=now, incident_id=incident.pk)
        if "carried" not in self._done:  # what people carry is carried once, however often they have to write it down
            self.world.move_product("cordoba/fridge-2", "cordoba/fridge-4", max(now, self.world.now))
            self._done.add("carried")
        incidents.attach(marta, incident.pk, "move", move.pk, now=now)

        def arrive(when: datetime) -> None:
            moves.arrive(marta, move.pk, 6.1, now=when)
            incidents.mark_mitigated(
                self.player.who("marta-ruiz"), incident.pk, now=when, how="product moved to Fridge 4"
            )

        self.player.at(now + timedelta(minutes=21), self._careful(arrive))

    def _ask_approval(self, now: datetime) -> None:
        """Ana drives the run to its gated step, and may not approve what she asked for herself."""
        ana, run = self.player.who("ana-prieto"), self._run()
        marta = self.player.who("marta-ruiz")
        for _ in range(6):
            running.advance(ana, run.pk, self._house(now), now=now)
            waiting = [a for a in runbook_queries.approvals(run.pk) if not a.decision]
            if waiting:
                break
            for row in runbook_queries.journal(run.pk):
                if row.outcome == "waiting":
                    running.answer(marta, run.pk, row.step, row.phase, ok=True, detail="holds", now=now)
        approval = next(a for a in runbook_queries.approvals(run.pk) if not a.decision)
        self.noted["approval_digest"] = approval.digest
        try:
            runbooks.approve(ana, approval.pk, digest_seen=approval.digest, now=now)
        except Refusal as refused:
            self.noted["self_approval"] = str(refused)

    def _house(self, now: datetime) -> Any:
        from waystation import wiring
        from waystation.journeys.runs import House

        return House(self.player.system, now, wiring.actuator())

    def _other_person_approves(self, now: datetime) -> None:
        """Teresa was paged because the approval waited while product was at risk; she approves the same digest."""
        teresa, run = self.player.who("teresa-gago"), self._run()
        approval = next(a for a in runbook_queries.approvals(run.pk) if not a.decision)
        runbooks.approve(
            teresa, approval.pk, digest_seen=self.noted["approval_digest"], now=now, reason="seen on the page"
        )
        self.noted["approved_by"] = teresa.name

    def _decide_holds(self, now: datetime) -> None:
        """QA releases what its worst case allows and rejects the rest, signed."""
        quality, operator = self.player.who("lucia-ferrer"), self.player.who("diego-marin")
        for hold in product.holds(self.player.system):
            if "holds_refused" not in self.noted:
                try:
                    holds.decide(operator, hold.pk, "released", reason="looks fine", fresh_proof=True, now=now)
                except NotAllowed as refused:
                    self.noted["holds_refused"] = str(refused)
            outcome = "released" if hold.worst_case_s <= 3600 else "rejected"
            reason = f"{hold.worst_case_s / 60:.0f} min out in the worst case against the label's allowance of 60 min"
            holds.decide(quality, hold.pk, outcome, reason=reason, fresh_proof=True, now=now)

    def _close_late_excursion(self, now: datetime) -> None:
        """QA has looked at the excursion that only late data showed."""
        quality = self.player.who("lucia-ferrer")
        for row in incident_queries.quality_tasks(self.player.system):
            incidents.close_quality_task(quality, row.pk, now=now, decision="lots decided, see their holds")


def passwords_of(secret: Callable[[], str], codes: list[str]) -> dict[str, str]:
    """A password of its own for each account that a visitor may use."""
    return {code: secret() for code in codes}
