"""Pages of the evidence: the logs and their heads, entries with their proofs, and what happened at a site."""

from __future__ import annotations

import json
from datetime import UTC, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render

from waystation import wiring
from waystation.console.frame import who
from waystation.evidence import placed, queries
from waystation.evidence.verifier.one_file import one_file
from waystation.journeys import evidence_pack, exports
from waystation.journeys.paper.document import bundle
from waystation.journeys.story import story as story_of
from waystation.kernel.instants import read_instant
from waystation.kernel.refusals import BadInput, NotReady
from waystation.registry import queries as registry

SECTION = "/evidence/"
CHECK = """python3 - <<'PY'
import json, verify
proof = open("{index}.tlog-proof", "rb").read()
members = {{"checkpoint": proof.split(b"\\n\\n", 1)[1],
           "entries/{index}.json": open("{index}.json", "rb").read(),
           "proofs/{index}.tlog-proof": proof}}
trust = verify.read_trust(json.load(open("trust.json")))
head = verify.check_checkpoint(members, trust, trust)
print(verify.check_entry(members, {index}, head)["kind"], "stands at {index} of", head.size)
PY"""


def evidence(request: HttpRequest) -> HttpResponse:
    """The logs, and entries by what is asked for."""
    by, asked = who(request), request.GET
    by.require("evidence.read")
    site = registry.site(by, asked["site"]) if asked.get("site") else None
    fields = {name: asked.get(name, "").strip() for name in ("log", "kind", "object_id")}
    rows = queries.entries(
        by,
        most=40,
        log=fields["log"],
        kind=fields["kind"],
        object_id=fields["object_id"],
        site_id=site.pk if site else None,
    )
    sites = list(registry.sites(by))
    context = {
        "section": SECTION,
        "logs": queries.logs(),
        "rows": rows,
        "asked": asked,
        "sites": sites,
        "names": {s.pk: s.name for s in sites},
        "exports": [(kind, words) for kind, (_, _, words) in exports.KINDS.items()],
        "may_pack": by.sites("evidence.pack") != frozenset(),
        "filtered": any(fields.values()) or site is not None,
    }
    return render(request, "evidence/evidence.html", context)


def entry(request: HttpRequest, log: str, index: int) -> HttpResponse:
    """One entry: what it says, its proof, the rows that it vouches for."""
    row = queries.entry_at(who(request), log, index)
    return _entry_page(request, row)


def entry_by_seq(request: HttpRequest, seq: int) -> HttpResponse:
    """The entry that a timeline names; it moves to its place in the log once it has one."""
    row = queries.entry_by_seq(who(request), seq)
    if row.index is not None:
        return HttpResponseRedirect(f"/evidence/{row.log}/{row.index}/")
    return _entry_page(request, row)


def _entry_page(request: HttpRequest, row: queries.Entry) -> HttpResponse:
    said = row.said
    proof = queries.proof_of(row.log, row.index) if row.index is not None else None
    head = next(h for h in queries.logs() if h.log == row.log)
    context = {
        "section": SECTION,
        "entry": row,
        "said": said,
        "facts": [(k.replace("_", " "), _fact(v)) for k, v in said.get("facts", {}).items()],
        "rows": said.get("rows", []),
        "proof": proof,
        "head": head,
        "commands": CHECK.format(index=row.index) if proof else "",
    }
    return render(request, "evidence/entry.html", context)


def _fact(value: Any) -> str:
    """A fact of an entry for reading; what has members is shown as the JSON that it is."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def leaf(request: HttpRequest, log: str, index: int) -> HttpResponse:
    """The entry's bytes, exactly as they are hashed."""
    row = queries.entry_at(who(request), log, index)
    return _file(row.leaf, f"{index}.json", "application/json")


def proof(request: HttpRequest, log: str, index: int) -> HttpResponse:
    """The entry's proof as a file."""
    queries.entry_at(who(request), log, index)
    found = queries.proof_of(log, index)
    if found is None:
        raise NotReady(
            "evidence.not_covered", f"No checkpoint covers entry {index} of {log} yet.", "Wait for the next one."
        )
    return _file(found.text().encode(), f"{index}.tlog-proof", "text/plain; charset=utf-8")


def trust(request: HttpRequest, log: str) -> HttpResponse:
    """A trust file that begins with this log's key; an auditor compares the key with one received another way."""
    who(request).require("evidence.read")
    head = next((h for h in queries.logs() if h.log == log), None)
    if head is None:
        raise BadInput("evidence.log", f"There is no log {log}.", "Open Evidence to see the logs.", field="log")
    return _file(json.dumps(placed.trust(log), indent=1).encode(), "trust.json", "application/json")


def verifier(request: HttpRequest) -> HttpResponse:
    """The verifier: one file that needs only Python."""
    who(request).require("evidence.read")
    return _file(one_file(), "verify.py", "text/x-python; charset=utf-8")


def pack(request: HttpRequest) -> HttpResponse:
    """The pack of a site and a period with its paper, in one archive; the times are the site's own."""
    by, asked = who(request), request.GET
    site = registry.site(by, asked.get("site", ""))
    by.require("evidence.pack", site.pk)
    start, end = (read_instant(asked.get(name, ""), name, zone=ZoneInfo(site.zone)) for name in ("from", "to"))
    data = evidence_pack.make(
        by, site.code, start, end, now=wiring.clock().now(), line_of=wiring.witness_line, stamper=wiring.time_stamper()
    )
    name = f"{site.code}-{start:%Y%m%d}-{end:%Y%m%d}"
    return _file(bundle(data, name), f"{name}.zip", "application/zip")


def export(request: HttpRequest) -> HttpResponse:
    """Records of a period as a file; the times are UTC."""
    by, asked = who(request), request.GET
    start, end = (read_instant(asked.get(name, ""), name, zone=UTC) for name in ("from", "to"))
    kind = asked.get("kind", "csv")
    body = exports.content(by, kind, start, end, now=wiring.clock().now())
    return _file(body, exports.name_of(kind, start, end), exports.KINDS[kind][1])


def _file(content: bytes, name: str, kind: str) -> HttpResponse:
    return HttpResponse(content, content_type=kind, headers={"Content-Disposition": f'attachment; filename="{name}"'})


def story(request: HttpRequest) -> HttpResponse:
    """One ordered story of a site and a period; without a site, the form that asks for them."""
    by, now = who(request), wiring.clock().now()
    by.require("evidence.read")
    context: dict[str, Any] = {"section": SECTION, "sites": list(registry.sites(by)), "asked": request.GET}
    if request.GET.get("site"):
        asked = request.GET
        site = registry.site(by, asked["site"])
        zone = ZoneInfo(site.zone)
        end = read_instant(asked["to"], "to", zone=zone) if asked.get("to") else now
        start = read_instant(asked["from"], "from", zone=zone) if asked.get("from") else end - timedelta(hours=6)
        lines = story_of(by, site, start, end)
        wanted = request.GET.getlist("show")
        context |= {
            "site": site,
            "start": start,
            "end": end,
            "start_text": f"{start.astimezone(zone):%Y-%m-%dT%H:%M}",
            "end_text": f"{end.astimezone(zone):%Y-%m-%dT%H:%M}",
            "lines": [line for line in lines if not wanted or line.source in wanted],
            "all": len(lines),
            "sources": [(s, not wanted or s in wanted) for s in ("entry", "sent", "signal", "reading")],
        }
    return render(request, "evidence/story.html", context)
