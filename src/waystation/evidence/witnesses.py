"""The log's side of its witnesses: who they are, asking them, keeping their lines, and what may be said meanwhile.

A witness that does not answer stops nothing but, in regulated mode, the signing of packs. Since when the log grew
without enough cosignatures is worked out from what stands in the tables, so it is right while every loop is dead.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from urllib.parse import urlsplit

from django.conf import settings

from waystation.evidence import sequencer
from waystation.evidence.models import Checkpoint, Cosignature, WitnessState
from waystation.evidence.ports import NoAnswer, WitnessLine
from waystation.evidence.rules import checkpoints, merkle, notes, witness
from waystation.evidence.rules.checkpoints import Policy
from waystation.evidence.rules.notes import VerifierKey
from waystation.kernel.refusals import BadInput, Conflict, NotReady, Refusal

LineOf = Callable[[str], WitnessLine]
RETRY = timedelta(seconds=15)  # how long one that failed is left alone
LATE = timedelta(seconds=60)  # a head is expected to be cosigned within this time
REFUSED = ("evidence.witness_refused", "evidence.witness_ahead")


@dataclass(frozen=True, slots=True)
class Configured:
    """The witnesses of waystation.toml with their addresses, how many must cosign, and whether packs wait for them."""

    witnesses: tuple[tuple[VerifierKey, str], ...]
    quorum: int
    regulated: bool

    @property
    def vkeys(self) -> list[str]:
        """Their keys, as a trust file lists them."""
        return [key.vkey() for key, _ in self.witnesses]


@dataclass(frozen=True, slots=True)
class Standing:
    """What witnesses say of a log: its newest head, how much of it a quorum cosigned, by whom, and since when not.

    `since` is None while the newest head has its quorum. `trouble` is what the witnesses last said or did instead.
    """

    log: str
    size: int
    covered: int
    by: tuple[str, ...]
    quorum: int
    since: datetime | None
    trouble: tuple[str, ...]
    refused: bool

    def is_late(self, now: datetime) -> bool:
        """True when the newest head should have been cosigned by now, or a witness refuses it."""
        return self.refused or (self.since is not None and now - self.since > LATE)


def configured() -> Configured:
    """What the settings say; BadInput or NotReady for settings that cannot stand."""
    return _configured(settings.WITNESSES, settings.WITNESS_QUORUM, settings.REGULATED)


@lru_cache(maxsize=8)
def _configured(text: str, quorum: str, regulated: bool) -> Configured:
    found = []
    for part in filter(None, (one.strip() for one in text.split(","))):
        vkey, _, url = part.partition(" ")
        parts = urlsplit(url.strip())
        if parts.scheme not in ("http", "https") or not parts.netloc:
            raise BadInput(
                "evidence.witness_url",
                f"The witness {vkey[:60]} has no address that can be asked.",
                'Write witnesses = "VKEY https://witness.example.org".',
                field="witnesses",
                value=part,
            )
        found.append((notes.parse_vkey(vkey), url.strip()))
    if quorum and not (quorum.isascii() and quorum.isdigit()):
        raise BadInput("evidence.quorum", f"witness_quorum is {quorum!r}, no number.", field="witness_quorum")
    needed = int(quorum) if quorum else len(found)
    if regulated and not (found and needed):
        raise NotReady(
            "evidence.regulated_alone",
            "Regulated mode needs a witness: without one nobody can tell this log from a rewritten one.",
            'Set witnesses = "VKEY URL" and witness_quorum in waystation.toml, or take regulated out.',
        )
    Policy(VerifierKey("log", notes.ED25519, bytes(32)), tuple(key for key, _ in found), needed)
    return Configured(tuple(found), needed, regulated)


def ask_all(now: datetime, line_of: LineOf) -> int:
    """Show every log's newest head to every witness that has not cosigned it; returns how many lines came."""
    return sum(ask(log, now, line_of) for log in sequencer.logs()) if configured().witnesses else 0


def ask(log: str, now: datetime, line_of: LineOf, *, patient: bool = True) -> int:
    """Show a log's newest head to each witness that has not cosigned it; one that failed is first left alone a while.

    Returns how many cosignatures came. What goes wrong is kept in the witness's state and never raised.
    """
    head, done = sequencer.newest_checkpoint(log), 0
    for key, url in configured().witnesses if head else ():
        assert head is not None
        if Cosignature.objects.filter(checkpoint=head, witness=key.vkey()).exists():
            continue
        state = WitnessState.objects.filter(log=log, witness=key.vkey()).first()
        state = state or WitnessState(log=log, witness=key.vkey())
        if patient and state.failing_since and state.asked_at and now - state.asked_at < RETRY:
            continue
        done += _ask_one(head, key, state, line_of(url), now)
    return done


def _ask_one(head: Checkpoint, key: VerifierKey, state: WitnessState, line: WitnessLine, now: datetime) -> bool:
    state.asked_at = now
    try:
        signature = _cosigned(head, key, state, line)
    except (NoAnswer, Refusal) as error:
        state.failing_since = state.failing_since or now
        state.trouble = str(error)[:400]
        state.refuses = isinstance(error, Refusal) and error.code in REFUSED
        _keep(state)
        return False
    state.known_size, state.failing_since, state.trouble, state.refuses = head.size, None, "", False
    _keep(state)
    row = Cosignature(
        checkpoint=head,
        log=head.log,
        size=head.size,
        witness=key.vkey(),
        line=signature.line(),
        time_s=int.from_bytes(signature.value[:8], "big"),
        at=now,
    )
    Cosignature.objects.bulk_create([row], ignore_conflicts=True)
    return True


def _cosigned(head: Checkpoint, key: VerifierKey, state: WitnessState, line: WitnessLine) -> notes.NoteSignature:
    """The witness's line under a head; asked again once from the size that it says it holds."""
    text = head.note.partition("\n\n")[0] + "\n"
    for last in (False, True):
        proof = merkle.consistency_proof(state.known_size, head.size, sequencer.hashes(head.log, head.size))
        status, body = line.add_checkpoint(witness.format_request(state.known_size, proof, head.note.encode()))
        held = witness.witness_size(body) if status == 409 else 0
        if status != 409 or last or held > head.size:
            break
        state.known_size = held
    if status == 409 and held > head.size:
        raise Conflict(
            "evidence.witness_ahead",
            f"{key.name} holds a head of {held} entries, this log has {head.size}: entries were lost or taken back.",
            "Treat it as tampering until it is explained. Was an old backup restored? Find the newest one.",
        )
    return witness.read_answer(status, body, text, key)


def _keep(state: WitnessState) -> None:
    told = {name: getattr(state, name) for name in ("known_size", "asked_at", "failing_since", "trouble", "refuses")}
    WitnessState.objects.update_or_create(log=state.log, witness=state.witness, defaults=told)


def standing(log: str) -> Standing:
    """What the witnesses say of a log now."""
    own, head = configured(), sequencer.newest_checkpoint(log)
    sizes = {key.name: _cosigned_size(log, key) for key, _ in own.witnesses}
    needed = max(own.quorum, 1)
    in_order = sorted(sizes.values(), reverse=True)
    covered = in_order[needed - 1] if len(in_order) >= needed else 0
    open_ = Checkpoint.objects.filter(log=log, size__gt=covered).order_by("size").values_list("at", flat=True)
    states = [s for s in WitnessState.objects.filter(log=log, witness__in=own.vkeys).order_by("witness") if s.trouble]
    return Standing(
        log=log,
        size=head.size if head else 0,
        covered=covered,
        by=tuple(sorted(name for name, size in sizes.items() if size >= covered > 0)),
        quorum=own.quorum,
        since=open_.first() if head and covered < head.size else None,
        trouble=tuple(state.trouble for state in states),
        refused=any(state.refuses for state in states),
    )


def _cosigned_size(log: str, key: VerifierKey) -> int:
    newest = Cosignature.objects.filter(log=log, witness=key.vkey()).order_by("-size")
    return newest.values_list("size", flat=True).first() or 0


def worst() -> Standing | None:
    """The log that has been without its quorum the longest, or that a witness refuses; None when every one has it."""
    found = [one for one in (standing(log) for log in sequencer.logs()) if one.since is not None or one.refused]
    return min(found, key=lambda one: (not one.refused, one.since is None, one.since), default=None)


def with_lines(head: Checkpoint) -> tuple[bytes, int]:
    """A head as a note with the lines of the witnesses that are configured, and how many of them there are."""
    rows = Cosignature.objects.filter(checkpoint=head, witness__in=configured().vkeys).order_by("witness")
    lines = [notes.parse_signature_line(row.line.removesuffix("\n")) for row in rows]
    return checkpoints.add_signatures(head.note.encode(), lines), len(lines)


def best_head(log: str, covering: int) -> Checkpoint:
    """The newest head of a log with its quorum that covers `covering` entries; where none has it, the newest."""
    newest = sequencer.newest_checkpoint(log)
    if newest is None:
        raise NotReady("evidence.no_checkpoint", f"The log {log} has no checkpoint yet.", "Start the worker and wait.")
    heads = Checkpoint.objects.filter(log=log, size__gte=covering, cosignatures__isnull=False).order_by("-size")
    return next((h for h in heads.distinct()[:20] if with_lines(h)[1] >= max(configured().quorum, 1)), newest)
