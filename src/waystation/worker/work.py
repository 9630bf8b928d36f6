"""Which loops there are."""

from __future__ import annotations

import time
from datetime import datetime, timedelta

from django.conf import settings

from waystation import wiring
from waystation.access.actions import destroy_left_keys
from waystation.access.queries import system_authority
from waystation.alarms import actions as alarms
from waystation.evidence import outbox, sequencer, stamps, stream, witnesses
from waystation.journeys import plan, runs, webhooks
from waystation.journeys.keeping import held_of
from waystation.journeys.month_end import Months
from waystation.journeys.reading import Rounds
from waystation.service_levels import sessions
from waystation.spares.actions import hold
from waystation.telemetry import log_heads, taken
from waystation.telemetry.actions.seal import seal
from waystation.telemetry.actions.thin import Retention
from waystation.telemetry.discovery import copy_due
from waystation.telemetry.hours import Hours
from waystation.worker.loops import Loop

WEBHOOKS_WITHIN_S = 20.0
HOURS_WITHIN_S = 20.0
RETENTION_WITHIN_S = 20.0


def all_loops() -> list[Loop]:
    """Every loop of the platform, in the order in which a round runs them."""
    rounds = Rounds(stopwatch=time.monotonic)
    return [
        Loop("judge", 0.2, rounds.judge_waiting),
        Loop("stream", 0.5, stream.run),
        Loop("discovery", 2.0, give_series),
        Loop("rounds", 30.0, rounds.tick),
        Loop("deadlines", 5.0, deadlines),
        Loop("runs", 2.0, advance_runs),
        Loop("outbox", 1.0, deliver),
        Loop("log_heads", 60.0, log_readings),
        Loop("sequencer", 2.0, sequencer.run),
        Loop("sealer", 3600.0, seal_readings),
    ]


def loops_beside() -> list[Loop]:
    """The loops that wait for others' servers or take long; each runs in a thread of its own."""
    hours, kept, months = Hours(), Retention(), Months()
    return [
        Loop("webhooks", 1.0, send_webhooks),
        Loop("witnesses", 2.0, ask_witnesses),
        Loop("stamps", 30.0, stamp_heads),
        Loop("hours", 10.0, lambda now: keep_hours(hours, now)),
        Loop("stock policy", 3600.0, recompute_points),
        Loop("retention", 600.0, lambda now: retain(kept, now)),
        Loop("month reports", 3600.0, lambda now: months.run(system_authority("month reports"), now)),
    ]


def deadlines(now: datetime) -> int:
    """Escalations, ended suppressions, overdue route tests, expired reservations, vendor sessions past their limit."""
    by = system_authority("deadlines")
    found = alarms.due(by, now=now)
    failed = alarms.fail_overdue_tests(by, now=now)
    ended = hold.expire_due(by, now=now)
    left_open = sessions.end_overdue(by, now=now)
    return len(found.pages) + len(failed) + len(ended) + len(left_open)


def give_series(now: datetime) -> int:
    """Give what waits in the discovery list to the sensors that rules name by now."""
    taken.forget(now)
    return copy_due(system_authority("discovery"), now=now)


def advance_runs(now: datetime) -> int:
    """Drive the runs that wait for nobody, and end what nobody answered."""
    return runs.advance(system_authority("runs"), wiring.actuator(), now=now, pulse=wiring.clock().now)


def deliver(now: datetime) -> int:
    """Hand due messages to their transports."""
    return outbox.deliver(now, wiring.transport)


def send_webhooks(now: datetime) -> int:
    """Put the stream into the subscriptions' turns and send what is due, within a bounded time."""
    begin = time.monotonic()
    return webhooks.send_out(
        now,
        wiring.webhook,
        timedelta(days=settings.WEBHOOK_PAUSE_DAYS),
        lambda: time.monotonic() - begin > WEBHOOKS_WITHIN_S,
    )


def ask_witnesses(now: datetime) -> int:
    """Show the newest heads to the witnesses that have not cosigned them."""
    return witnesses.ask_all(now, wiring.witness_line)


def log_readings(now: datetime) -> int:
    """Enter the digest of the readings that came since the last time."""
    return log_heads.note(system_authority("log_heads"), now=now)


def stamp_heads(now: datetime) -> int:
    """Have the newest head of each log time-stamped, hourly, where an authority is set."""
    return stamps.ask_due(now, wiring.time_stamper())


def seal_readings(now: datetime) -> int:
    """Seal the log files that are judged."""
    return seal(system_authority("sealer"), now=now)


def retain(kept: Retention, now: datetime) -> int:
    """Take from segments what approved policies no longer keep and nothing holds, within a bounded time."""
    begin = time.monotonic()
    by = system_authority("retention")
    destroy_left_keys(by)
    return kept.run(by, held_of(now), now=now, is_over=lambda: time.monotonic() - begin > RETENTION_WITHIN_S)


def keep_hours(hours: Hours, now: datetime) -> int:
    """Judge the hours that are not kept, within a bounded time."""
    begin = time.monotonic()
    return hours.keep(system_authority("hours"), now, lambda: time.monotonic() - begin > HOURS_WITHIN_S)


def recompute_points(now: datetime) -> int:
    """Once a day, hold every live reorder point against the forecast of that day."""
    done = plan.recompute_due(system_authority("stock policy"), now=now)
    return 0 if done is None else done.looked
