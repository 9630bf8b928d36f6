"""`waystation mqtt`: the process that follows the broker of the settings file. `serve` starts it where there is one."""

from __future__ import annotations

import argparse
import signal
import threading
from types import FrameType
from urllib.parse import urlsplit

from waystation import wiring
from waystation.cli import start
from waystation.kernel.refusals import BadInput

HELP = "follow the broker of the settings file (started by serve)"


def configure(parser: argparse.ArgumentParser) -> None:
    """Words of the command."""
    start.installation_options(parser)


def run(args: argparse.Namespace) -> int:
    """Take messages until told to stop."""
    start.use(args)
    from django.conf import settings
    from django.db import DatabaseError, close_old_connections

    from waystation.access.queries import system_authority
    from waystation.kernel.refusals import cannot_record
    from waystation.telemetry.actions.messages import Message, take
    from waystation.telemetry.names import Names
    from waystation.telemetry.ports import Answering

    source_class = check_url(settings.MQTT_URL)
    envelopes, names, stop = wiring.envelopes(), Names(), threading.Event()

    def taken(group: list[tuple[str, bytes]]) -> list[tuple[str, bytes]]:
        close_old_connections()
        messages = [Message(topic, payload) for topic, payload in group]
        by = system_authority("mqtt")
        try:
            take(by, messages, envelopes, names, source_class=source_class, now=wiring.clock().now())
        except DatabaseError:
            raise cannot_record() from None
        return [reply for one in envelopes if isinstance(one, Answering) for reply in one.replies()]

    def ask_to_stop(number: int, frame: FrameType | None) -> None:
        stop.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, ask_to_stop)
    filters = tuple(one for envelope in envelopes for one in envelope.filters)
    wiring.broker(settings.MQTT_URL, f"waystation-{settings.INSTALLATION}", filters).follow(taken, stop.is_set)
    return 0


def check_url(url: str) -> str:
    """The source class of what a broker brings; refuses an address that is none.

    A broker that asks nobody who they are brings `open_broker`, which proves nothing unless a profile accepts it.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("mqtt", "mqtts") or not parts.hostname:
        raise BadInput(
            "platform.mqtt_url",
            "mqtt_url names no broker.",
            "Write mqtt://user:password@host:1883, or mqtts://...",
            field="mqtt_url",
            value=parts.hostname or "",
        )
    return "authenticated_connection" if parts.username else "open_broker"
