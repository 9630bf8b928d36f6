"""`waystation access`: tokens for machines, links for people."""

from __future__ import annotations

import argparse
from datetime import datetime
from pathlib import Path

from waystation import wiring
from waystation.cli import start
from waystation.kernel.refusals import NotFound

HELP = "machine tokens and welcome links"


def configure(parser: argparse.ArgumentParser) -> None:
    """Words of the command."""
    kinds = parser.add_subparsers(dest="kind", required=True)
    machines = kinds.add_parser("token", help="machine tokens")
    token = machines.add_subparsers(dest="verb", required=True)
    create = token.add_parser("create", help="print a new token once")
    create.add_argument("--name", required=True)
    create.add_argument("--role", required=True)
    create.add_argument("--site", help="the site's code; a gateway needs one")
    revoke = token.add_parser("revoke", help="end a machine's access at once")
    revoke.add_argument("--name", required=True)
    revoke.add_argument("--reason", required=True)
    listed = token.add_parser("list", help="every machine: name, role, site, since when, until when")
    enrol = token.add_parser("enrol", help="print a one-time token that enrols a site's agent")
    enrol.add_argument("--name", required=True)
    enrol.add_argument("--site", required=True, metavar="CODE")
    accounts = kinds.add_parser("person", help="people's accounts")
    person = accounts.add_subparsers(dest="verb", required=True)
    invite = person.add_parser("invite", help="make an account with a role, and print its one-time link")
    invite.add_argument("--email", required=True, metavar="ADDRESS")
    invite.add_argument("--name", required=True)
    invite.add_argument("--role", required=True)
    invite.add_argument("--site", metavar="CODE", help="the role holds there only")
    everybody = person.add_parser("list", help="every account: name, address, whether it is open")
    erase = person.add_parser(
        "erase", help="take a person's own fields away for good; refused while their acts are kept"
    )
    erase.add_argument("--email", required=True, metavar="ADDRESS")
    erase.add_argument("--reason", required=True)
    welcome = kinds.add_parser("welcome", help="print a one-time link that makes an administrator")
    copied = kinds.add_parser("keys", help="write a sealed copy of people's keys over the one before; daily, apart")
    copied.add_argument("output", metavar="FILE", type=Path)
    copied.add_argument("--passphrase-file", metavar="FILE", type=Path, required=True)
    start.installation_options(
        parser, copied, machines, create, revoke, listed, enrol, accounts, invite, everybody, erase, welcome
    )


def run(args: argparse.Namespace) -> int:
    """Do it and print what is shown once."""
    start.use(args)
    now = wiring.clock().now()
    if args.kind == "person":
        _people(args, now)
    elif args.kind == "keys":
        _copy_keys(args.output, args.passphrase_file)
    elif args.kind == "welcome":
        from django.conf import settings

        from waystation.cli.init import welcome_link

        print(welcome_link(settings.PUBLIC_URL))
    elif args.verb == "list":
        print("\n".join(machines()) or "There is no machine yet.")
    elif args.verb == "enrol":
        print(open_enrolment(args.name, args.site, now))
    elif args.verb == "create":
        print(create_token(args.name, args.role, args.site, now))
    else:
        revoke(args.name, args.reason, now)
        print(f"{args.name} is revoked; nothing it sends is trusted from now on.")
    return 0


def _people(args: argparse.Namespace, now: datetime) -> None:
    from django.conf import settings

    from waystation.access import queries

    by = queries.system_authority("cli")
    if args.verb == "list":
        rows = [f"{p.name}: {p.email}{'' if p.is_active else ', closed'}" for p in queries.people()]
        print("\n".join(rows) or "Nobody has an account yet.")
    elif args.verb == "invite":
        token = invite(args.email, args.name, args.role, args.site, now)
        print(f"{settings.PUBLIC_URL}/welcome/{token}/")
    else:
        found = next((p for p in queries.people() if p.email == args.email.strip().lower()), None)
        if found is None:
            words = f"Nobody has the address {args.email}."
            raise NotFound("access.person_unknown", words, "List them: waystation access person list.")
        from waystation.journeys import erasing

        erasing.erase(by, found.pk, reason=args.reason, now=now)
        print("Erased. The account is closed; what the person did stays in the log, under a number.")


def _copy_keys(output: Path, passphrase_file: Path) -> None:
    from waystation.cli.keeping import people, sealed
    from waystation.evidence.personal import people_keys

    size = people.copy_keys(people_keys(), output, sealed.passphrase_of(passphrase_file))
    print(
        f"{output}: {size} bytes, in the place of the copy before. Keep it apart from the backups, and keep no other."
    )


def invite(email: str, name: str, role: str, site: str | None, now: datetime) -> str:
    """An account with one role, at a site by code or everywhere; returns the secret of its one-time link."""
    from django.db import transaction

    from waystation.access import actions, queries
    from waystation.registry.queries import site_by_code

    by = queries.system_authority("cli")
    with transaction.atomic():
        site_id = site_by_code(site).pk if site else None
        person = actions.create_person(by, email=email, name=name, now=now)
        actions.grant_role(by, person.pk, role, site_id=site_id, now=now)
        return actions.make_welcome_link(by, person_id=person.pk, now=now)


def machines() -> list[str]:
    """Every machine in one line each; a token is never shown again."""
    from waystation.access import queries
    from waystation.registry.queries import sites

    codes = {site.pk: site.code for site in sites(queries.system_authority("cli"))}
    rows = []
    for one in queries.machines():
        where = codes.get(one.site_id, "unknown site") if one.site_id else "everywhere"
        ended = f", revoked {one.revoked_at:%Y-%m-%d %H:%M} UTC" if one.revoked_at else ""
        rows.append(f"{one.name}: {one.role}, {where}, since {one.created_at:%Y-%m-%d %H:%M} UTC{ended}")
    return rows


def create_token(name: str, role: str, site: str | None, now: datetime) -> str:
    """A machine's token, for a site by code."""
    from waystation.access import actions, queries
    from waystation.registry.queries import site_by_code

    site_id = site_by_code(site).pk if site else None
    by = queries.system_authority("cli")
    return actions.create_machine(by, name=name, role=role, site_id=site_id, now=now)[1]


def open_enrolment(name: str, site: str, now: datetime) -> str:
    """The one-time token of an agent to come, for a site by code."""
    from waystation.access import enrolling, queries
    from waystation.registry.queries import site_by_code

    by = queries.system_authority("cli")
    return enrolling.open_enrolment(by, name=name, site_id=site_by_code(site).pk, now=now)


def revoke(name: str, reason: str, now: datetime) -> None:
    """End the access of the machine of that name."""
    from waystation.access import actions, queries

    machine = next((m for m in queries.machines() if m.name == name), None)
    if machine is None:
        raise NotFound(
            "access.machine_unknown", f"There is no machine {name}.", "List them: waystation access token list."
        )
    actions.revoke_machine(queries.system_authority("cli"), machine.pk, reason=reason, now=now)
