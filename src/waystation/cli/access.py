"""`waystation access`: tokens for machines, links for people."""

from __future__ import annotations

import argparse
from datetime import datetime

from waystation import wiring
from waystation.cli import start

HELP = "machine tokens and welcome links"


def configure(parser: argparse.ArgumentParser) -> None:
    """Words of the command."""
    start.installation_options(parser)
    kinds = parser.add_subparsers(dest="kind", required=True)
    token = kinds.add_parser("token", help="machine tokens").add_subparsers(dest="verb", required=True)
    create = token.add_parser("create", help="print a new token once")
    create.add_argument("--name", required=True)
    create.add_argument("--role", required=True)
    create.add_argument("--site", help="the site's code; a gateway needs one")
    revoke = token.add_parser("revoke", help="end a machine's access at once")
    revoke.add_argument("--name", required=True)
    revoke.add_argument("--reason", required=True)
    kinds.add_parser("welcome", help="print a one-time link that makes an administrator")


def run(args: argparse.Namespace) -> int:
    """Do it and print what is shown once."""
    start.use(args)
    now = wiring.clock().now()
    if args.kind == "welcome":
        from django.conf import settings

        from waystation.cli.init import welcome_link

        print(welcome_link(settings.PUBLIC_URL))
    elif args.verb == "create":
        print(create_token(args.name, args.role, args.site, now))
    else:
        revoke(args.name, args.reason, now)
        print(f"{args.name} is revoked; nothing it sends is trusted from now on.")
    return 0


def create_token(name: str, role: str, site: str | None, now: datetime) -> str:
    """A machine's token, for a site by code."""
    from waystation.access import actions, queries
    from waystation.registry.queries import site_by_code

    site_id = site_by_code(site).pk if site else None
    by = queries.system_authority("cli")
    return actions.create_machine(by, name=name, role=role, site_id=site_id, now=now)[1]


def revoke(name: str, reason: str, now: datetime) -> None:
    """End the access of the machine of that name."""
    from waystation.access import actions, queries
    from waystation.kernel.refusals import NotFound

    machine = next((m for m in queries.machines() if m.name == name), None)
    if machine is None:
        raise NotFound("access.machine_unknown", f"There is no machine {name}.", "List them: waystation doctor.")
    actions.revoke_machine(queries.system_authority("cli"), machine.pk, reason=reason, now=now)
