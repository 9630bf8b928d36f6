"""The page for leadership: four questions with their answer, at most eight numbers, each opening its records."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from waystation import wiring
from waystation.alarms import queries as alarms
from waystation.console.drawing.marks import allowance_bar, event_line, outcome_dots, span_line
from waystation.console.drawing.site_map import Place, site_map
from waystation.console.frame import who
from waystation.journeys.overview import PERIODS, Overview, overview
from waystation.journeys.record_quality import record_quality
from waystation.journeys.targets import targets
from waystation.kernel.authority import Authority
from waystation.kernel.refusals import NotFound
from waystation.registry import queries as registry
from waystation.spares import queries as spares
from waystation.telemetry.present import present

SECTION = "/overview/"
QUESTIONS = {
    "sla": "Are all critical sites within SLA?",
    "excursions": "Which nodes have repeated excursions?",
    "circuits": "Which circuits are at risk?",
    "vendors": "Which vendors miss their windows?",
}
WORST = ("out_high", "out_low", "not_proven")
SHOWN = 4


def page(request: HttpRequest) -> HttpResponse:
    """The four questions over a period, and the network right now."""
    by, now = who(request), wiring.clock().now()
    period = request.GET.get("period", "month")
    found = overview(by, period, now=now)
    places = _places(by, now)
    loud = [p for p in places if p.state not in ("quiet", "hub")]
    context = {
        "section": SECTION,
        "found": found,
        "period": period,
        "periods": [(key, label) for key, (label, _) in PERIODS.items()],
        "questions": _questions(found),
        "map": site_map(places, _said(loud)),
        "asked": _asked(found),
    }
    return render(request, "service_levels/overview.html", context)


def records(request: HttpRequest, question: str) -> HttpResponse:
    """Everything behind one question."""
    if question not in QUESTIONS:
        raise NotFound("service_levels.question", f"There is no question {question}.", "Open the overview.")
    found = overview(who(request), request.GET.get("period", "month"), now=wiring.clock().now())
    context = {"section": SECTION, "found": found, "question": question, "title": QUESTIONS[question]}
    return render(request, f"service_levels/{question}.html", context | {"numbers": _numbers(found, question)})


def class_targets(request: HttpRequest) -> HttpResponse:
    """What the customer asks of each service class, and what their own sites did, now and before."""
    by, period = who(request), request.GET.get("period", "month")
    found = targets(by, period, now=wiring.clock().now())
    periods = [(key, label) for key, (label, _) in PERIODS.items()]
    return render(request, "service_levels/targets.html", {"section": SECTION, "found": found, "periods": periods})


def record(request: HttpRequest) -> HttpResponse:
    """Excursions, their time, calibration adherence and completeness, by class and by site."""
    found = record_quality(who(request), request.GET.get("period", "month"), now=wiring.clock().now())
    periods = [(key, label) for key, (label, _) in PERIODS.items()]
    tables = [("By class", found.classes), ("By site, the least complete first", found.sites)]
    context = {"section": SECTION, "found": found, "periods": periods, "tables": tables}
    return render(request, "service_levels/record.html", context)


def _numbers(found: Overview, question: str) -> list[Any]:
    return [n for n in found.numbers if n.opens == question]


def _questions(found: Overview) -> list[dict[str, Any]]:
    start, end = found.start, found.end
    marks = {
        "sla": [(s.name, allowance_bar(s.allowance_used)) for s in found.critical[:SHOWN]],
        "excursions": [(n.name, event_line([e.start for e in n.episodes], start, end)) for n in found.nodes[:SHOWN]],
        "circuits": [
            (f"{c.site}, {c.medium}", span_line([*c.down, *c.silent], start, end))
            for c in (found.at_risk or found.circuits)[:SHOWN]
        ],
        "vendors": [(v.vendor, outcome_dots(v.outcomes)) for v in found.vendors[:SHOWN]],
    }
    captions = {
        "sla": "allowance used; the line is all of it",
        "excursions": f"{PERIODS[found.period][0]}, one bar each",
        "circuits": f"{PERIODS[found.period][0]}, hatched while silent",
        "vendors": "newest right; a cross was late or missed",
    }
    answers = {
        "sla": _sla(found),
        "excursions": _nodes(found),
        "circuits": _circuits(found),
        "vendors": _vendors(found),
    }
    return [
        {
            "key": key,
            "title": title,
            "answer": answers[key],
            "numbers": _numbers(found, key),
            "marks": marks[key],
            "caption": captions[key],
        }
        for key, title in QUESTIONS.items()
    ]


def _sla(found: Overview) -> str:
    broken = [s.name for s in found.critical if s.kept is False]
    unknown = [s.name for s in found.critical if s.kept is None]
    if not found.critical:
        return "There is no critical site."
    if not broken and not unknown:
        return "Yes, all of them."
    said = [f"{_names(broken)} {_are(broken)} not."] if broken else []
    said += [f"{_names(unknown)} cannot be said yet."] if unknown else []
    return " ".join(["No." if broken else "Not shown.", *said])


def _nodes(found: Overview) -> str:
    if not found.repeated:
        return "None." if not found.nodes else f"None twice. {_names([n.name for n in found.nodes])} once."
    first = found.repeated[0]
    shared = f" {first.common_cause.capitalize()} in {first.sharing_cause} of {first.count} at {_names([first.name])}."
    cause = shared if first.sharing_cause else " No common cause is recorded."
    return f"{_names([n.name for n in found.repeated])}.{cause}"


def _circuits(found: Overview) -> str:
    if not found.circuits:
        return "No circuit is recorded."
    if not found.at_risk:
        return "None shows a risk."
    return " ".join(f"{c.site}, {c.medium}: {c.evidence[0]}." for c in found.at_risk[:2])


def _vendors(found: Overview) -> str:
    if not found.vendors:
        return "No window was planned in this time."
    return f"{_names([v.vendor for v in found.failing])}." if found.failing else "None. All came as promised."


def _names(names: Sequence[str]) -> str:
    short = [n.split(",")[0] for n in dict.fromkeys(names)]
    if len(short) > SHOWN:
        return f"{', '.join(short[: SHOWN - 1])} and {len(short) - SHOWN + 1} more"
    return " and ".join(filter(None, [", ".join(short[:-1]), short[-1]])) if short else ""


def _are(names: Sequence[str]) -> str:
    return "is" if len(names) == 1 else "are"


def _asked(found: Overview) -> list[tuple[str, str, str]]:
    """What only leadership can settle, from the answers: words, why, and the records."""
    rows = []
    for circuit in found.at_risk:
        if "the only path of a critical site" in circuit.evidence:
            rows.append(
                (f"Decide on a second path for {circuit.site}", "its only path carries a critical site", "circuits")
            )
        elif circuit.contract_until and any(e.startswith("contract ends") for e in circuit.evidence):
            until = f"ends {circuit.contract_until:%-d %b %Y}"
            rows.append((f"Renew the contract of {circuit.circuit} with {circuit.vendor}", until, "circuits"))
    rows += [
        (f"Review {v.vendor}'s contract", f"{v.failed} of {len(v.outcomes)} windows failed", "vendors")
        for v in found.failing
    ]
    rows += [
        (f"Name who leads the corrective action in {n.name}", f"{n.count} excursions, {n.common_cause}", "excursions")
        for n in found.repeated
    ]
    return rows[:5]


def _places(by: Authority, now: datetime) -> list[Place]:
    """Every active site with its state now, and every hub of its own."""
    active = registry.sites(by).filter(state="active")
    rows = list(active.values_list("pk", "name", "lat", "lon", "code"))
    seen = present([key for key, *_ in rows], now)
    rising = {a.site_id for a in alarms.active(by) if a.rule == "rising"}
    places = []
    for key, name, lat, lon, code in rows:
        worst = seen[key].worst if seen[key].worst in WORST else "quiet"
        state = "at_risk" if worst == "quiet" and key in rising else worst
        places.append(Place(name, lat, lon, state, f"/sites/{code}/"))
    seen_hubs = spares.hubs(by) if by.may("spares.read") else []
    hubs = [h for h in seen_hubs if h.lat is not None and h.lon is not None and h.site_id is None]
    return [*places, *(Place(h.name, h.lat or 0.0, h.lon or 0.0, "hub") for h in hubs)]


def _said(loud: Sequence[Place]) -> str:
    words = {"out_high": "out of range", "out_low": "out of range", "at_risk": "at risk", "not_proven": "not proven"}
    said = [f"{p.name} {words[p.state]}" for p in loud]
    return f"Map of sites: {'; '.join(said) or 'all quiet'}."
