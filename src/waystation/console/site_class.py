"""Move a site to another service class: every rule that changes is shown before anything is applied."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render

from waystation import wiring
from waystation.console.frame import who
from waystation.kernel.units import duration_text
from waystation.registry import queries as registry
from waystation.service_levels import actions, queries
from waystation.service_levels.rules.tier import COMMITMENTS, CRITICALITY, Change, tier_of

# target → (words, unit); seconds and hours are said as lengths of time
NAMES = {
    "detect_within_s": "Excursion detected within",
    "page_delay_s": "Page after",
    "acknowledge_within_s": "Alarm acknowledged within",
    "recovery_h": "Service restored within",
    "remote_management_h": "Remote management restored within",
    "tolerable_outage_h": "Tolerable outage, the reach of its spares",
    "vendor_response_h": "Vendor on site within",
    "patch_windows_per_month": "Patch windows a month",
    "cover_probability": "Spares at hand when needed",
    "retention_days": "Records kept for",
    "monitoring_availability_pct": "Continuity of monitoring",
}


def site_class(request: HttpRequest, code: str) -> HttpResponse:
    """GET shows the preview of `?then=`; POST by a service manager applies exactly that."""
    by = who(request)
    by.require("service_levels.read")
    site = registry.site(by, code)
    if request.method == "POST":
        return _apply(request, site)
    classes = queries.service_classes()
    inputs = _inputs(request.GET) or (dict(site.tier_inputs) if "criticality" in site.tier_inputs else {})
    then = next((c for c in classes if c.code == request.GET.get("then")), None)
    preview = queries.preview(site, then) if then else None
    context = {
        "section": "/sites/",
        "site": site,
        "classes": classes,
        "then": then,
        "inputs": inputs,
        "tier": tier_of(inputs) if inputs else None,
        "criticality": CRITICALITY,
        "commitments": COMMITMENTS,
        "changes": [_change(c) for c in preview.changes] if preview else [],
        "may": by.may("service_levels.write", site.pk),
    }
    return render(request, "service_levels/site_class.html", context)


def _apply(request: HttpRequest, site: Any) -> HttpResponse:
    code = request.POST.get("then", "")
    moved = actions.set_class(
        who(request),
        site.pk,
        code,
        inputs=_inputs(request.POST),
        reason=request.POST.get("reason", "").strip(),
        now=wiring.clock().now(),
    )
    messages.success(request, f"{moved.name} is in class {code} from now on.")
    return HttpResponseRedirect(f"/sites/{moved.code}/")


def _inputs(asked: Any) -> dict[str, object]:
    """The three inputs of a tier as a form gives them; empty when it gives none."""
    if not asked.get("criticality"):
        return {}
    volume = asked.get("volume_per_month", "0").strip()
    return {
        "criticality": asked["criticality"],
        "commitments": asked.get("commitments", "none"),
        "volume_per_month": int(volume) if volume.isdecimal() else volume,
    }


def _change(change: Change) -> dict[str, str]:
    return {
        "kind": change.kind,
        "words": NAMES.get(change.name, change.name),
        "today": _value(change.name, change.today),
        "then": _value(change.name, change.then),
    }


def _value(name: str, value: float) -> str:
    if name.endswith("_s"):
        return duration_text(value)
    if name.endswith("_h"):
        return duration_text(value * 3600)
    if name.endswith("_days"):
        return f"{value:.0f} days"
    return (
        f"{value:g} %"
        if name.endswith("_pct")
        else f"{value * 100:.0f} %"
        if name == "cover_probability"
        else f"{value:g}"
    )
