"""Random lives of the sequencer: entries come, it dies at any statement or file, and starts again."""

from __future__ import annotations

import random
from itertools import pairwise
from pathlib import Path

from django.db import connection, transaction

from tests.conftest import START
from tests.stories.deaths import Deaths, Killed
from waystation.access.queries import system_authority
from waystation.evidence import keys, sequencer
from waystation.evidence.actions import NewEntry, record
from waystation.evidence.models import Checkpoint, LogEntry, LogPosition
from waystation.evidence.rules import merkle


def _written(log: str) -> dict[Path, bytes]:
    folder = sequencer.folder() / log
    return {p: p.read_bytes() for p in folder.rglob("*") if p.is_file() and not p.name.endswith(".partial")}


def sequencer_history(seed: int) -> int:
    """Entries and rounds, most of which die at a statement; how many deaths there were.

    After each round, dead or not: positions are dense, checkpoints continue each other, and no full tile changed.
    """
    chance, by, log = random.Random(seed), system_authority("sequencer"), f"log-{seed}"
    deaths, written = 0, 0
    for _ in range(6):
        for _ in range(chance.choice([0, 1, 1, 2, 3, 3, 7, 20, 20, 260])):
            record([], entry=NewEntry("test.made", str(written), by, START, log=log))
            written += 1
        before = _written(log)
        one = Deaths({chance.randrange(1, 9)}, chance)
        try:
            with transaction.atomic(), connection.execute_wrapper(one):
                sequencer.run(START)
        except Killed:
            deaths += 1
        after = _written(log)
        for path, data in before.items():
            if ".p/" not in str(path):
                assert after[path] == data, f"{path} changed"
        _check(log)
    sequencer.run(START)
    _check(log)
    assert sequencer.size_of(log) == written, "an entry got no position"
    newest = sequencer.newest_checkpoint(log)
    assert written == 0 or (newest is not None and newest.size == written)
    return max(deaths, 1)


def _check(log: str) -> None:
    indexes = list(LogPosition.objects.filter(log=log).order_by("tree_index").values_list("tree_index", flat=True))
    assert indexes == list(range(len(indexes))), "positions have a hole"
    heads = list(Checkpoint.objects.filter(log=log).order_by("size"))
    for old, new in pairwise(heads):
        proof = merkle.consistency_proof(old.size, new.size, sequencer.hashes(log, new.size))
        assert merkle.verify_consistency(old.size, new.size, bytes(old.root), bytes(new.root), proof)
    if heads:
        leaves = LogEntry.objects.filter(log=log, position__tree_index__lt=heads[-1].size).order_by(
            "position__tree_index"
        )
        frontier, _ = merkle.Frontier().grow(bytes(h) for h in leaves.values_list("leaf_hash", flat=True))
        assert frontier.root() == bytes(heads[-1].root), "the checkpoint is of other entries"
    assert keys.verifier_key(log).name
