"""`waystation ingest`: the process that takes line protocol on a port of its own. `serve` starts it."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from waystation import wiring
from waystation.cli import start

HELP = "take line protocol on a port of its own (started by serve)"


def configure(parser: argparse.ArgumentParser) -> None:
    """Words of the command."""
    start.installation_options(parser)
    parser.add_argument("--host", default="127.0.0.1", help="the address to listen on")
    parser.add_argument("--port", type=int, default=8086)
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

    uvicorn.run(
        LineServer(answer),
        host=args.host,
        port=args.port,
        ssl_certfile=args.tls_cert,
        ssl_keyfile=args.tls_key,
        log_level="warning",
        server_header=False,
        lifespan="off",
    )
    return 0
