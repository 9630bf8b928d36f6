"""Runs of runbooks: driven while nobody is waited for, expired when nobody answers."""

from __future__ import annotations

from datetime import datetime

from waystation.kernel.authority import Authority
from waystation.kernel.refusals import Refusal
from waystation.runbooks import actions, queries, running
from waystation.runbooks.ports import Actuator


def advance(by: Authority, actuator: Actuator, *, now: datetime) -> int:
    """One bounded round over all runs; a run that refuses is left to the next round and to a person."""
    done = 0
    for run_id in queries.to_advance(now):
        try:
            running.advance(by, run_id, actuator, now=now)
            done += 1
        except Refusal:
            continue
    return done + len(actions.expire_due(by, now=now)) + len(actions.park_overdue(by, now=now))
