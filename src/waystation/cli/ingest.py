"""`waystation ingest`: the process that takes line protocol on a port of its own. `serve` starts it."""

from __future__ import annotations

import argparse
import socket
from collections.abc import Sequence

from waystation import wiring
from waystation.cli import start

HELP = "take line protocol on a port of its own (started by serve)"


def configure(parser: argparse.ArgumentParser) -> None:
    """Words of the command."""
    start.installation_options(parser)
    parser.add_argument("--host", default="127.0.0.1", help="the address to listen on")
    parser.add_argument("--port", type=int, default=8086)
    parser.add_argument("--shared", action="store_true", help="share the port with other ingest processes")
    parser.add_argument("--tls-cert", metavar="FILE")
    parser.add_argument("--tls-key", metavar="FILE")


def run(args: argparse.Namespace) -> int:
    """Take writes until told to stop."""
    start.use(args)
    import uvicorn
    from django.db import close_old_connections

    from waystation.api.line_door import Asked, Reply, write_all
    from waystation.api.line_server import LineServer
    from waystation.telemetry.names import Names

    names = Names()

    def answer(asked: Sequence[Asked]) -> list[Reply]:
        close_old_connections()
        return write_all(asked, names, wiring.clock().now)

    config = uvicorn.Config(
        LineServer(answer),
        host=args.host,
        port=args.port,
        ssl_certfile=args.tls_cert,
        ssl_keyfile=args.tls_key,
        log_level="warning",
        server_header=False,
        lifespan="off",
    )
    uvicorn.Server(config).run([shared_socket(args.host, args.port)] if args.shared else None)
    return 0


def shared_socket(host: str, port: int) -> socket.socket:
    """A socket on a port that other processes of this user listen on too; each connection goes to one of them."""
    found = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    found.bind((host, port))
    found.set_inheritable(True)
    return found
