"""Chooses the parts: the rooms by name, the clock, one adapter for each port.

Settings read this module, so rooms stand here as strings and adapters are imported inside functions.
"""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from waystation.kernel.clock import Clock, ShiftedClock, SystemClock

if TYPE_CHECKING:
    from waystation.evidence.ports import TimeStamper, Transport, WitnessLine
    from waystation.runbooks.ports import Actuator
    from waystation.telemetry.ports import Broker, Envelope, LoggerFormat

ROOMS: tuple[str, ...] = (
    "telemetry",
    "product",
    "alarms",
    "incidents",
    "runbooks",
    "fleet",
    "spares",
    "planning",
    "service_levels",
)

_clock: Clock = SystemClock()
_demo: Clock | None = None


def clock() -> Clock:
    """The clock that the doors read: the machine's, or in a demo one that goes on from the end of the scripted day."""
    global _demo
    if not isinstance(_clock, SystemClock) or "WAYSTATION_DATA" not in os.environ:
        return _clock
    if _demo is None:
        _demo = _demo_clock(Path(os.environ["WAYSTATION_DATA"]) / "demo.json") or _clock
    return _demo


def _demo_clock(path: Path) -> Clock | None:
    """The clock of a demo: it ran from its file's instant since the file was written."""
    if not path.is_file():
        return None
    written = datetime.fromtimestamp(path.stat().st_mtime, UTC)
    ended = datetime.fromisoformat(json.loads(path.read_text())["at"])
    return ShiftedClock(ended - written)


def use_clock(clock: Clock) -> Clock:
    """Put another clock in place (a scripted day, a test); returns the one that stood before."""
    global _clock
    before, _clock = _clock, clock
    return before


def logger_formats() -> tuple[LoggerFormat, ...]:
    """The formats of logger files, in the order in which they are asked; CSV, the least particular, is last."""
    from waystation.adapters.ingest.berlinger.reader import BerlingerFormat
    from waystation.adapters.ingest.csv.reader import CsvFormat
    from waystation.adapters.ingest.line_protocol.reader import LineProtocolFormat
    from waystation.adapters.ingest.parquet.reader import ParquetFormat

    return (ParquetFormat(), BerlingerFormat(), LineProtocolFormat(), CsvFormat())


@lru_cache(maxsize=8)
def transport(channel: str) -> Transport | None:
    """The way out for a channel: `email` and `page` by SMTP or, where none is set, into a folder; `webhook` signed."""
    from django.conf import settings

    if channel == "webhook":
        from waystation.adapters.notify.webhook.transport import WebhookTransport

        return (
            WebhookTransport(settings.WEBHOOK_SECRET, tuple(settings.WEBHOOK_HOSTS))
            if settings.WEBHOOK_SECRET
            else None
        )
    if channel not in ("email", "page"):
        return None
    if settings.NOTIFY == "folder":
        from waystation.adapters.notify.folder.transport import FolderTransport

        return FolderTransport(settings.DATA / "outbox")
    from waystation.adapters.notify.email.transport import EmailTransport

    return EmailTransport(
        settings.EMAIL_HOST,
        settings.EMAIL_PORT,
        settings.DEFAULT_FROM_EMAIL,
        settings.EMAIL_HOST_USER,
        settings.EMAIL_HOST_PASSWORD,
        settings.EMAIL_USE_TLS,
    )


def webhook(secret: str) -> Transport:
    """The way out of one subscription, signed with its secret; private addresses need to be listed."""
    from django.conf import settings

    from waystation.adapters.notify.webhook.transport import WebhookTransport

    return WebhookTransport(secret, tuple(settings.WEBHOOK_HOSTS))


def witness_line(url: str) -> WitnessLine:
    """The way to the witness at an address."""
    from waystation.adapters.witness.http.line import HttpLine

    return HttpLine(url)


LOG_KEY_CLASS = "waystation.adapters.log_key.pkcs11.key.Pkcs11Key"  # what a `log_key` of the settings is made with


def time_stamper() -> TimeStamper | None:
    """The time-stamping authority of the settings, over HTTP or through a carried folder; None for none."""
    from django.conf import settings

    if not settings.TIME_STAMPER:
        return None
    kind, _, rest = str(settings.TIME_STAMPER).partition(":")
    if kind == "folder":
        from waystation.adapters.stamp.folder.exchange import FolderStamper

        return FolderStamper(Path(rest))
    from waystation.adapters.stamp.http.client import HttpStamper

    return HttpStamper(settings.TIME_STAMPER)


def actuator() -> Actuator:
    """What a run's steps go through: a person is asked, until an owner opts in to more."""
    from waystation.adapters.actuate.advisory.actuator import Advisory

    return Advisory()


def envelopes() -> tuple[Envelope, ...]:
    """The ways in which devices write messages to a broker."""
    from waystation.adapters.envelope.lorawan.envelope import ChirpStackEnvelope, ThingsStackEnvelope
    from waystation.adapters.envelope.plain.envelope import PlainEnvelope
    from waystation.adapters.envelope.sparkplug.envelope import SparkplugEnvelope

    return (PlainEnvelope(), SparkplugEnvelope(), ChirpStackEnvelope(), ThingsStackEnvelope())


def broker(url: str, name: str, filters: tuple[str, ...]) -> Broker:
    """The broker at `mqtt://user:password@host:port`, or `mqtts://`, under a name that it keeps a session for."""
    from waystation.adapters.broker.mqtt.client import MqttBroker

    return MqttBroker(url, name, filters)
