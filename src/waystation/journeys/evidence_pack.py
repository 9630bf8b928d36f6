"""An evidence pack, from the question to the archive: judge, write down, log, prove, check, hand over.

How do you know that this site was in range? The claim is worked out from the readings, the readings and the claim
are logged by digest, the log's own proofs are added, and the pack is handed over only after the verifier that travels
in it has come to the same verdict.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta

from django.db import transaction

from waystation.evidence import beats, placed, sequencer, stamps, witnesses
from waystation.evidence.actions import NewEntry, Receipt, log_of, record
from waystation.evidence.models import Checkpoint
from waystation.evidence.ports import TimeStamper
from waystation.evidence.quick import judge_quickly
from waystation.evidence.rules import pack
from waystation.evidence.verifier.one_file import one_file
from waystation.evidence.verifier.verify import verify_pack
from waystation.evidence.witnesses import LineOf
from waystation.journeys.pack_claim import claim_of
from waystation.journeys.pack_records import records
from waystation.kernel.authority import Authority
from waystation.kernel.canonical import instant
from waystation.kernel.ids import new_id
from waystation.kernel.refusals import BadInput, Conflict, NotFound, Unavailable
from waystation.kernel.version import VERSION
from waystation.registry import queries as registry
from waystation.registry.models import Site, Space

LONGEST = timedelta(days=366)
TRIES = 60
LEASE = timedelta(seconds=60)


def half_a_second() -> None:
    """Let a worker that runs beside go on."""
    time.sleep(0.5)


def make(
    by: Authority,
    site_key: str,
    start: datetime,
    end: datetime,
    *,
    space: str | None = None,
    known: Sequence[int] = (),
    now: datetime,
    wait: Callable[[], None] = half_a_second,
    line_of: LineOf | None = None,
    stamper: TimeStamper | None = None,
    more: Mapping[str, object] | None = None,
) -> bytes:
    """The pack of a site (by code or id), or of one of its spaces (by code), over [start, end]: a canonical archive.

    `known` are sizes of heads that auditors hold: the pack then proves that the log continues them. Refuses periods
    that are empty, not over yet or longer than 366 days. `wait` lets some time pass while a worker sequences.
    `line_of` is the way to the witnesses. Without their quorum the pack says since when the log is unwitnessed; in
    regulated mode it is not made. `stamper` stamps the head of the pack; without an answer the pack says since when the
    log is not time-stamped. `more` is written into the claim beside the verdict, so that the log vouches for it too.
    """
    site = registry.one(Site, site_key)
    by.require("evidence.pack", site.pk)
    _check(start, end, now)
    spaces = _spaces(site, space)
    log = log_of(site.pk)
    _witness(log, now, line_of)
    stamps.ask_due(now, stamper)
    claim, files = claim_of(site.network.slug, site.code, spaces, start, end)
    claim |= _unwitnessed(log, now) | _not_stamped(log, now) | _about(site, spaces) | dict(more or {})
    _sequence(log, placed.waiting(), now, wait, covered=False)
    made, indices = records(log, site, spaces, start, end)
    made |= files
    paths = list(files)
    del files
    made[pack.CLAIM] = (json.dumps(claim, indent=1, ensure_ascii=False) + "\n").encode()
    made[pack.POLICY] = placed.policy(log)
    made[pack.VERIFIER] = one_file()
    receipts = _log(by, site, made, paths, now)
    seqs = [r.seq for r in receipts]
    _sequence(log, seqs, now, wait)
    _witness(log, now, line_of)
    own = placed.by_seq(seqs)
    head = witnesses.best_head(log, max(one.index for one in own) + 1)
    is_witnessed = _has_quorum(head)
    made |= placed.proven(log, head, indices | {one.index for one in own})
    stamps.ask(log, head, now, stamper)
    if (stamp := stamps.answer_for(head)) is not None:
        made[pack.STAMP] = stamp
    if (continued := placed.continued(log, head, known)) is not None:
        made[pack.CONSISTENCY] = continued
    data = pack.build_pack(made, drain=True)
    _same_verdict(log, data, is_witnessed)
    return data


def _check(start: datetime, end: datetime, now: datetime) -> None:
    if start.tzinfo is None or end.tzinfo is None:
        raise BadInput(
            "evidence.instant",
            f"{start.isoformat()} to {end.isoformat()} names no time zone.",
            "Write 2026-11-01T00:00:00Z.",
            field="from",
            value=start.isoformat(),
        )
    if not start < end or end - start > LONGEST:
        raise BadInput(
            "evidence.period",
            f"A pack over {start.isoformat()} to {end.isoformat()} cannot be made.",
            f"Give a start before the end, at most {LONGEST.days} days apart.",
            field="to",
            value=end.isoformat(),
        )
    if end > now:
        raise BadInput(
            "evidence.period_open",
            f"The period ends at {end.isoformat()}, which is still to come.",
            "End it now or earlier: what has not happened cannot be proved.",
            field="to",
            value=end.isoformat(),
        )


def _spaces(site: Site, code: str | None) -> list[Space]:
    found = [s for s in registry.spaces(site.pk) if code is None or s.code == code]
    if code is not None and not found:
        raise NotFound("evidence.space_unknown", f"{site.code} has no space {code}.", "See the site's page.")
    return found


def _log(by: Authority, site: Site, made: dict[str, bytes], paths: Sequence[str], now: datetime) -> list[Receipt]:
    """The entries that vouch for the pack: one for each readings member, one for claim, records, keys and verifier."""
    pack_id = new_id()
    with transaction.atomic():
        receipts = []
        for path in paths:
            facts = pack.readings_exported_facts(path, made[path])
            receipts.append(record([], entry=NewEntry(pack.READINGS_EXPORTED, pack_id, by, now, site.pk, facts=facts)))
        facts_of_pack = pack.pack_made_facts(made, with_readings=False)
        receipts.append(record([], entry=NewEntry(pack.PACK_MADE, pack_id, by, now, site.pk, facts=facts_of_pack)))
    return receipts


def _sequence(log: str, seqs: Sequence[int], now: datetime, wait: Callable[[], None], *, covered: bool = True) -> None:
    """Until these entries have places (and a head covers them): done here unless a worker holds that loop."""
    for _ in range(TRIES):
        if beats.lease("sequencer", "evidence pack", now, LEASE):
            while sequencer.run(now):
                pass
            beats.release("sequencer", "evidence pack", now)
        if placed.are_placed(seqs, log if covered else None):
            return
        wait()
    raise Unavailable(
        "evidence.not_sequenced",
        f"The log {log} did not take in the entries of this pack.",
        "See that the worker runs: waystation doctor.",
        retry_after_s=30,
    )


def _witness(log: str, now: datetime, line_of: LineOf | None) -> None:
    """Show the witnesses the newest head; in regulated mode refuse while it lacks their quorum."""
    if line_of is not None:
        witnesses.ask(log, now, line_of, patient=False)
    stands = witnesses.standing(log)
    if witnesses.configured().regulated and (stands.since is not None or stands.refused):
        since = f" since {instant(stands.since)}" if stands.since else ""
        raise Unavailable(
            "evidence.pack_waits",
            f"The log {log} is unwitnessed{since}: {'; '.join(stands.trouble) or 'its witnesses were not asked yet'}.",
            "Bring the witness back. Monitoring and paging go on; packs wait in regulated mode.",
            retry_after_s=60,
        )


def _about(site: Site, spaces: Sequence[Space]) -> dict[str, object]:
    """What a reader of the claim needs beside the verdict: the site's time, its spaces' mapping, the version."""
    mapping = [
        {"space": s.code, "report": s.mapping_report, "due": s.mapping_due.isoformat() if s.mapping_due else ""}
        for s in spaces
    ]
    return {"zone": site.zone, "mapping": mapping, "software": VERSION}


def _unwitnessed(log: str, now: datetime) -> dict[str, str]:
    """What the claim says of the witnesses as the pack is asked for; without any, the log's first head is the time."""
    stands = witnesses.standing(log)
    since = stands.since or (None if stands.quorum else now)
    return {"unwitnessed_since": instant(since)} if since is not None else {}


def _not_stamped(log: str, now: datetime) -> dict[str, str]:
    since = stamps.standing(log, now).since
    return {"not_time_stamped_since": instant(since)} if since is not None else {}


def _has_quorum(head: Checkpoint) -> bool:
    return witnesses.with_lines(head)[1] >= max(witnesses.configured().quorum, 1)


def _same_verdict(log: str, data: bytes, is_witnessed: bool) -> None:
    """The verifier must come to the claim's verdict before anybody gets the pack."""
    trust = placed.trust(log) if is_witnessed else placed.trust(log) | {"quorum": 0}
    report = verify_pack(data, trust, judge_quickly)
    if not report.ok:
        raise Conflict(
            "evidence.pack_disagrees",
            f"The pack was made and does not verify: {'; '.join(str(r) for r in report.refusals[:3])}",
            "Do not rely on this period. Run waystation doctor and report what it says.",
        )
