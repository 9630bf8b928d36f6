"""`waystation restore DIR`: bring a backup back into a new folder, or only check that it could be brought back.

Checked before anything is written: each file's digest, the database's own integrity, the tree of every log worked out
again from its entries against every signed head (and the head that an auditor holds), tiles and segments.
"""

from __future__ import annotations

import argparse
import json
import os
import secrets
import shutil
import time
from base64 import b64decode
from pathlib import Path
from typing import Any
from uuid import UUID

from waystation.cli import start
from waystation.cli.keeping import databases, drills, files, people, sealed
from waystation.evidence.personal import PeopleKeys
from waystation.evidence.rules import merkle, tiles
from waystation.evidence.rules.trees import check_tree
from waystation.kernel.refusals import BadInput, Conflict, NotReady, Refusal

HELP = "bring a backup back, or with --verify only check it"
SAID = 8


def configure(parser: argparse.ArgumentParser) -> None:
    """Words of the command."""
    start.installation_options(parser)
    parser.add_argument("folder", metavar="DIR", type=Path)
    parser.add_argument("--verify", action="store_true", help="only check; write nothing")
    parser.add_argument(
        "--drill",
        action="store_true",
        help="restore into a folder that is removed again, print RPO and RTO, and enter that in the installation's log",
    )
    parser.add_argument(
        "--known-head", metavar="FILE", type=Path, help="a checkpoint, or a trust file with a known_head, to agree with"
    )
    parser.add_argument("--passphrase-file", metavar="FILE", type=Path, help="to open the sealed keys")
    people = parser.add_mutually_exclusive_group()
    people.add_argument("--people", metavar="FILE", type=Path, help="the newest copy of people's keys: access keys")
    people.add_argument("--without-people", action="store_true", help="erase everybody whose fields are sealed here")


def run(args: argparse.Namespace) -> int:
    """Check, then restore unless only checking."""
    begin = time.monotonic()
    known = known_head(args.known_head) if args.known_head else None
    about = check(args.folder, known, only=args.verify)
    print(f"{args.folder}: whole. {about}")
    keys = _keys(args)
    if args.verify:
        return 0
    opened = _people(args)
    if args.drill:
        return drills.run(args, lambda target: bring_back(args, target, keys, known, opened), time.monotonic() - begin)
    target = start.folder_of(args)
    files.demand_empty(target, "restore")
    gone = bring_back(args, target, keys, known, opened)
    if gone:
        _erase_again(args, target, gone)
    print(f"Restored into {target}. Next: waystation doctor --data {target}, then waystation serve --data {target}")
    if not keys:
        print("The log's key is not in this backup: put secrets/log_key back, or the log cannot be continued.")
    return 0


def check(folder: Path, known: tuple[str, int, bytes] | None, *, only: bool = True) -> str:
    """Everything that can be checked of a backup; returns what was found, refuses what does not hold.

    The tree inside a PostgreSQL dump is checked by `check_restored`, once it is in a database.
    """
    _refuse(files.check_manifest(folder))
    about = json.loads((folder / "BACKUP.json").read_text())
    if about.get("schema") != "waystation.backup/1":
        raise BadInput(
            "platform.no_backup", f"{folder} is no backup of this kind.", "Name another one.", field="folder"
        )
    if about["database"] != databases.SQLITE:
        if known is not None and only:
            raise NotReady(
                "platform.head_unchecked",
                "The tree inside a PostgreSQL dump can be compared only once it is restored.",
                "Restore it into an empty database without --verify: that compares it.",
            )
        return f"Made {about['at']}. The dump's digest holds; its tree can be checked once it is restored."
    path = folder / databases.SQLITE
    wrong = databases.integrity(path)
    sizes = {}
    for log, heads in databases.heads(path).items():
        own = dict(heads)
        wrong += [f"log {log}: {text}" for text in check_tree(databases.leaves(path, log), own)]
        wrong += _tiles(folder / "tiles" / log, log, max(own), own[max(own)])
        sizes[log] = max(own)
    wrong += _known(path, known, sizes)
    wrong += _segments(folder, databases.segments(path))
    _refuse(wrong)
    said = ", ".join(f"log {log} of {size} entries" for log, size in sorted(sizes.items())) or "no log yet"
    agrees = " It agrees with the head that you know." if known else ""
    return f"Made {about['at']}; {said}.{agrees}"


def _known(path: Path, known: tuple[str, int, bytes] | None, sizes: dict[str, int]) -> list[str]:
    if known is None:
        return []
    origin, size, root = known
    log = origin.rpartition("/")[2]
    if log not in sizes:
        return [f"the head that you know is of {origin}, and no log {log} is here"]
    return [f"log {log}: {text}" for text in check_tree(databases.leaves(path, log), {size: root})]


def _tiles(folder: Path, log: str, size: int, root: bytes) -> list[str]:
    read = tiles.tile_reader(size, lambda tile: (folder / tile.path()).read_bytes())
    try:
        same = merkle.root(size, read) == root
    except (OSError, Refusal) as error:
        return [f"log {log}: its tiles cannot be read ({error})"]
    return [] if same else [f"log {log}: its tiles do not make the newest root"]


def _segments(folder: Path, named: dict[str, str]) -> list[str]:
    wrong = []
    for name, digest in sorted(named.items()):
        path = folder / "telemetry" / "segments" / name
        if not path.is_file():
            wrong.append(f"segment {name} is missing")
        elif files.digest_of(path) != digest:
            wrong.append(f"segment {name} was changed before the backup was made")
    return wrong


def known_head(path: Path) -> tuple[str, int, bytes]:
    """Origin, size and root of a head that somebody else keeps: a checkpoint's text, or a trust file."""
    try:
        text = path.read_text()
        if text.lstrip().startswith("{"):
            trust = json.loads(text)
            return trust["log"]["origin"], int(trust["known_head"]["size"]), b64decode(trust["known_head"]["root"])
        origin, size, root = text.split("\n")[:3]
        return origin, int(size), b64decode(root, validate=True)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BadInput(
            "platform.known_head",
            f"{path} holds no head: {type(error).__name__} {error}.",
            "Give a checkpoint, or a trust file with a known_head.",
            field="known-head",
        ) from None


def check_restored(folder: Path, known: tuple[str, int, bytes] | None) -> None:
    """The trees and segments of a database that is restored, as `check` does it for SQLite; refuses what is wrong."""
    from waystation.evidence import placed
    from waystation.telemetry.queries import segment_digests

    wrong, sizes = [], {}
    for log in placed.logs():
        own = placed.heads(log)
        wrong += [f"log {log}: {text}" for text in check_tree(placed.leaves(log), own)]
        if own:
            wrong += _tiles(folder / "tiles" / log, log, max(own), own[max(own)])
        sizes[log] = max(own, default=0)
    if known is not None:
        log = known[0].rpartition("/")[2]
        wrong += [f"log {log}: {text}" for text in check_tree(placed.leaves(log), {known[1]: known[2]})]
    _refuse(wrong + _segments(folder, segment_digests()))


def bring_back(
    args: argparse.Namespace,
    target: Path,
    keys: dict[str, bytes],
    known: tuple[str, int, bytes] | None = None,
    opened: bytes = b"",
) -> list[UUID]:
    """Write the folder beside its place and move it there when it is whole; returns the people who have no key."""
    partial = target.with_name(target.name + ".partial")
    files.demand_empty(partial, "restore")
    try:
        gone = _fill(args, partial, keys, known, opened)
        if target.exists():
            target.rmdir()
        partial.rename(target)
    except BaseException:  # because half a folder would stand in the way of the next try
        shutil.rmtree(partial, ignore_errors=True)
        raise
    return gone


def _erase_again(args: argparse.Namespace, target: Path, gone: list[UUID]) -> None:
    """Enter in the restored log that these people are erased: it ends before it was said."""
    start.load(target, args.database_url)
    from waystation import wiring
    from waystation.access.queries import system_authority
    from waystation.journeys import erasing

    for person in gone:
        reason = "the key was destroyed after this backup was made, or is not in the copy that was named"
        by = system_authority("restore")
        erasing.take_away(by, person, reason=reason, now=wiring.clock().now(), is_sealed=True)
    print(f"{len(gone)} people have no key any more: they stay erased.")


def _fill(
    args: argparse.Namespace,
    partial: Path,
    keys: dict[str, bytes],
    known: tuple[str, int, bytes] | None,
    opened: bytes,
) -> list[UUID]:
    """Everything of the backup into the folder; returns the people who have no key."""
    (partial / "secrets").mkdir(parents=True, mode=0o700)
    for name in ("telemetry", "tiles"):
        if (args.folder / name).is_dir():
            files.copy_tree(args.folder / name, partial / name)
    shutil.copyfile(args.folder / "waystation.toml", partial / "waystation.toml")
    for name, content in keys.items():
        if name == "waystation.toml":
            (partial / name).write_bytes(content)
            os.chmod(partial / name, 0o600)
        else:
            start.write_secret(partial / "secrets" / Path(name).name, content)
    if not (partial / "secrets" / "secret_key").exists():
        start.write_secret(partial / "secrets" / "secret_key", secrets.token_urlsafe(50).encode())
    store, held = PeopleKeys(partial / "people" / "keys.sqlite3"), people.read(args.folder)
    if opened:
        store.path.parent.mkdir(mode=0o700)
        start.write_secret(store.path, opened)
    if (args.folder / databases.SQLITE).is_file():
        shutil.copyfile(args.folder / databases.SQLITE, partial / "waystation.sqlite3")
        return people.bring_back(partial / "waystation.sqlite3", held, store) if held else []
    entry, gone = _postgresql(args, partial), list[UUID]()
    from waystation.cli.keeping import apart

    def fill() -> None:
        gone.extend(apart.put_back(args.folder, held, store))

    databases.bring_back(entry, args.folder / databases.POSTGRESQL, fill)
    check_restored(args.folder, known)
    return gone


def _postgresql(args: argparse.Namespace, partial: Path) -> dict[str, Any]:
    if not args.database_url:
        raise BadInput(
            "platform.database_url",
            "This backup is of a PostgreSQL database.",
            "Name an empty one: --database-url postgresql://...",
            field="database-url",
        )
    start.load(partial, args.database_url)
    from django.conf import settings

    return dict(settings.DATABASES["default"])


def _keys(args: argparse.Namespace) -> dict[str, bytes]:
    path = args.folder / "keys.sealed"
    if args.passphrase_file is None or (args.people is not None and not path.is_file()):
        return {}
    if not path.is_file():
        raise BadInput(
            "platform.no_keys",
            "This backup holds no keys that a passphrase opens.",
            "Leave --passphrase-file out, and put secrets/ back from where it is kept.",
            field="passphrase-file",
        )
    return sealed.unseal(path.read_bytes(), sealed.passphrase_of(args.passphrase_file))


def _people(args: argparse.Namespace) -> bytes:
    """The keys that open people's fields: the copy that is named, or in a drill those of the installation."""
    count = len(people.read(args.folder))
    if args.people is not None:
        if args.passphrase_file is None:
            words, step = "A copy of people's keys is sealed.", "Add --passphrase-file FILE."
            raise BadInput("platform.passphrase", words, step, field="passphrase-file")
        return sealed.unseal(args.people.read_bytes(), sealed.passphrase_of(args.passphrase_file))[people.KEYS]
    if not count or args.without_people:
        return b""
    if args.drill:
        return PeopleKeys(start.folder_of(args) / "people" / "keys.sqlite3").content()
    raise NotReady(
        "platform.people_keys",
        f"The names and addresses of {count} people are sealed in this backup, and their keys are kept apart.",
        "Name the newest copy of the keys: --people FILE. Without any: --without-people erases all of them.",
    )


def _refuse(wrong: list[str]) -> None:
    if wrong:
        more = f" and {len(wrong) - SAID} more" if len(wrong) > SAID else ""
        raise Conflict(
            "platform.backup_broken",
            f"This backup does not hold: {'; '.join(wrong[:SAID])}{more}.",
            "Keep it as it is, and use another one.",
        )
