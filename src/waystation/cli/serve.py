"""`waystation serve`: the console, the API and the worker under one command, on loopback unless told otherwise."""

from __future__ import annotations

import argparse
import ipaddress
import os
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from types import FrameType

from waystation.cli import start
from waystation.cli.health import last_gasp
from waystation.cli.health.lifeline import Lifeline
from waystation.kernel.refusals import BadInput, Conflict

HELP = "serve the console, the API and the worker on 127.0.0.1:8000"
MOST_INGEST = 16
RESTART_AFTER_S = (0.5, 1.0, 2.0, 5.0, 10.0)


def configure(parser: argparse.ArgumentParser) -> None:
    """Words of the command."""
    start.installation_options(parser)
    parser.add_argument("--bind", default="127.0.0.1:8000", metavar="HOST:PORT")
    parser.add_argument(
        "--ingest-bind",
        default="127.0.0.1:8086",
        metavar="HOST:PORT",
        help="where line protocol is taken (default 127.0.0.1:8086; port 0: any free one)",
    )
    parser.add_argument(
        "--ingest-processes",
        type=int,
        default=1,
        metavar="N",
        help=f"how many processes take line protocol on that port, 1 to {MOST_INGEST}",
    )
    parser.add_argument("--allowed-host", action="append", default=[], metavar="NAME", help="needed for any other bind")
    parser.add_argument("--tls-cert", metavar="FILE")
    parser.add_argument("--tls-key", metavar="FILE")
    parser.add_argument("--behind-proxy", action="store_true", help="a proxy in front ends TLS")


def run(args: argparse.Namespace) -> int:
    """Start the parts and keep them running until told to stop."""
    host, port = check_bind(args)
    ingest_host, ingest_port = check_bind(args, "ingest-bind")
    check_count(args.ingest_processes)
    start.use(args)
    check_witnesses()
    check_tls(args.tls_cert, args.tls_key)
    check_free(host, port)
    ingest_port = check_free(ingest_host, ingest_port, "ingest-bind")
    from django.conf import settings

    if settings.DEMO and not (is_loopback(host) and is_loopback(ingest_host)):
        raise BadInput(
            "platform.demo_bind",
            "A demo is served on loopback only.",
            "Use --bind 127.0.0.1:8000.",
            field="bind",
            value=args.bind,
        )
    print(f"Waystation on http{'s' if args.tls_cert else ''}://{host}:{port}", flush=True)
    print(f"Line protocol on http{'s' if args.tls_cert else ''}://{ingest_host}:{ingest_port}", flush=True)
    from waystation.access.queries import is_empty
    from waystation.cli.init import welcome_link

    if is_empty():
        print(f"Nobody can sign in yet. Open this once: {welcome_link(settings.PUBLIC_URL)}", flush=True)
    guard = last_gasp.guard_of(f"http{'s' if args.tls_cert else ''}://{_reach(host)}:{port}")
    worker = [sys.executable, "-m", "waystation.cli.main", "worker"]
    parts = {"web": _web(args, host, port), **_ingest(args, ingest_host, ingest_port), "worker": worker}
    if settings.MQTT_URL:
        parts["mqtt"] = [sys.executable, "-m", "waystation.cli.main", "mqtt"]
    return supervise(parts, guard)


def check_bind(args: argparse.Namespace, name: str = "bind") -> tuple[str, int]:
    """Host and port of an option; any bind but loopback demands --allowed-host and TLS or --behind-proxy."""
    bind = str(getattr(args, name.replace("-", "_")))
    host, _, port = bind.rpartition(":")
    if not (port.isascii() and port.isdigit() and int(port) < 65536) or not host:
        raise BadInput(
            "platform.bind",
            f"--{name} {bind} is not HOST:PORT.",
            f"Write 127.0.0.1:{8086 if name == 'ingest-bind' else 8000}.",
            field=name,
            value=bind,
        )
    if not is_loopback(host):
        if not args.allowed_host or not (args.behind_proxy or (args.tls_cert and args.tls_key)):
            raise BadInput(
                "platform.bind_open",
                f"{host} can be reached from elsewhere.",
                "Add --allowed-host NAME and either --tls-cert with --tls-key, or --behind-proxy.",
                field=name,
                value=bind,
            )
        os.environ["WAYSTATION_ALLOWED_HOSTS"] = ",".join(args.allowed_host)
        os.environ["WAYSTATION_BEHIND_PROXY" if args.behind_proxy else "WAYSTATION_TLS"] = "1"
    return host.strip("[]"), int(port)


def check_count(processes: int) -> None:
    """Refuse no ingest process, and more than a machine has use for."""
    if not 1 <= processes <= MOST_INGEST:
        raise BadInput(
            "platform.ingest_processes",
            f"{processes} ingest processes cannot be run.",
            f"Write 1 to {MOST_INGEST}; one for each core that is free is enough.",
            field="ingest-processes",
            value=processes,
        )


def check_witnesses() -> None:
    """Refuse regulated mode without a witness, and witnesses that cannot be asked, before anything is started."""
    from waystation.evidence import witnesses

    witnesses.configured()


def check_tls(cert: str | None, key: str | None) -> None:
    """Refuse a certificate and key that cannot be served, before anything is started."""
    if not cert and not key:
        return
    try:
        if not cert or not key:
            raise ValueError("one of the two is not named")
        ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(cert, key, password=_no_password)
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        raise BadInput(
            "platform.tls",
            f"--tls-cert {cert} with --tls-key {key} cannot be served: {getattr(error, 'strerror', None) or error}.",
            "Name a PEM certificate and its key without a passphrase.",
            field="tls-cert",
            value=cert,
        ) from None


def _no_password() -> str:
    raise ValueError("the key has a passphrase")


def check_free(host: str, port: int, name: str = "bind") -> int:
    """Refuse an address that this machine does not have, or that somebody listens on; returns the port, found for 0."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
            return int(probe.getsockname()[1])
        except OSError as error:
            raise Conflict(
                "platform.bind_taken",
                f"{host}:{port} cannot be listened on: {error.strerror or error}.",
                f"End what listens there, or choose another with --{name} HOST:PORT.",
            ) from None


def _reach(host: str) -> str:
    """An address at which this machine reaches what it serves."""
    reached = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"[{reached}]" if ":" in reached else reached


def is_loopback(host: str) -> bool:
    """True for addresses of this machine alone."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def _web(args: argparse.Namespace, host: str, port: int) -> list[str]:
    command = [sys.executable, "-m", "uvicorn", "waystation.asgi:application", "--host", host, "--port", str(port)]
    command += ["--log-level", "warning", "--no-server-header"]
    return command + (["--ssl-certfile", args.tls_cert, "--ssl-keyfile", args.tls_key] if args.tls_cert else [])


def _ingest(args: argparse.Namespace, host: str, port: int) -> dict[str, list[str]]:
    """The ingest processes; the web passes writes on to them where it need not trust a certificate for that."""
    command = [sys.executable, "-m", "waystation.cli.main", "ingest", "--host", host, "--port", str(port)]
    if args.tls_cert:
        command += ["--tls-cert", args.tls_cert, "--tls-key", args.tls_key]
    else:
        os.environ["WAYSTATION_INGEST_URL"] = f"http://{_reach(host)}:{port}"
    if args.ingest_processes == 1:
        return {"ingest": command}
    return {f"ingest {n + 1}": [*command, "--shared"] for n in range(args.ingest_processes)}


def supervise(commands: dict[str, list[str]], guard: last_gasp.Guard | None = None) -> int:
    """Run the commands as processes; one that dies is started again, each time a little later.

    When this process dies, however it does, the parts end with it.

    `guard` looks on from a thread of its own, which is started again like the processes, and tells the platform's owner
    when nothing can be recorded.
    """
    stopping = False

    def stop(number: int, frame: FrameType | None) -> None:
        nonlocal stopping
        stopping = True

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    lifeline = Lifeline()
    parts = {name: lifeline.start(command) for name, command in commands.items()}
    over = threading.Event()
    looking = None
    deaths = dict.fromkeys(commands, 0)
    while not stopping:
        looking = guard.watched(over, looking) if guard is not None else None
        time.sleep(0.2)
        for name, part in parts.items():
            if part.poll() is None or stopping:
                continue
            wait = RESTART_AFTER_S[min(deaths[name], len(RESTART_AFTER_S) - 1)]
            deaths[name] += 1
            print(f"{name} ended with {part.returncode}; starting it again in {wait:g} s", file=sys.stderr, flush=True)
            time.sleep(wait)
            parts[name] = lifeline.start(commands[name])
    over.set()
    for part in parts.values():
        part.terminate()
    for part in parts.values():
        try:
            part.wait(timeout=10)
        except subprocess.TimeoutExpired:
            part.kill()
    return 0
