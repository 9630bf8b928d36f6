"""A restore for trial: brought back beside the installation, measured, removed again, and entered in the log."""

from __future__ import annotations

import argparse
import json
import shutil
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from waystation import wiring
from waystation.cli import start
from waystation.cli.keeping.files import demand_empty


def run(args: argparse.Namespace, bring_back: Callable[[Path], object], checked_s: float) -> int:
    """Bring the backup back into a scratch folder; prints what would be lost (RPO) and how long it took (RTO).

    `checked_s` are the seconds that checking took before. The measured time is that of the copy and of every check;
    starting the platform on it takes some seconds more.
    """
    data = start.use(args)
    about = json.loads((args.folder / "BACKUP.json").read_text())
    target = data.with_name(f"{data.name}.drill")
    demand_empty(target, "restore", "It is where a drill restores to: move aside what is there, and drill again.")
    begin = time.monotonic()
    try:
        bring_back(target)
    finally:
        shutil.rmtree(target, ignore_errors=True)
    took_s = checked_s + time.monotonic() - begin
    return _note(datetime.fromisoformat(about["at"]), took_s)


def _note(backup_at: datetime, took_s: float) -> int:
    from waystation.access.queries import system_authority
    from waystation.journeys import qualification

    now, newest = wiring.clock().now(), qualification.newest_entry_at()
    lost_s = max(0.0, (newest - backup_at).total_seconds()) if newest else 0.0
    facts = {"backup_at": backup_at, "rpo_s": round(lost_s), "rto_ms": round(took_s * 1000)}
    receipt = qualification.note_drill(system_authority("cli"), facts, now=now)
    print(f"RPO {lost_s:.0f} s: what was recorded after the backup. RTO {took_s:.1f} s: checked and brought back.")
    print(f"Entered under number {receipt.seq} of log {receipt.log}.")
    return 0
