"""Does the suite notice wrong code? Each mutant of a module meets the tests of that module in a process of its own.

A mutant is killed when a test fails or the tests do not end in time. One that survives is printed with its line: write
the test that kills it, or see that it changes nothing.
"""

from __future__ import annotations

import contextlib
import importlib.abc
import importlib.util
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType

from tests.soak import ledger
from tests.soak.ledger import Line
from tests.soak.mutating import count, mutant

ROOT = Path(__file__).resolve().parent.parent.parent
SOURCE = ROOT / "src"
AT_ONCE = 2


@dataclass(frozen=True, slots=True)
class Target:
    """Modules to change, and the tests that ought to notice, quickest first."""

    modules: tuple[str, ...]
    tests: tuple[str, ...]
    rows: bool = False


_VERIFIER = ("archive", "ed25519", "log", "strict", "trust", "verdict", "verify")
_EVIDENCE, _SPARES, _TELEMETRY = "tests/rooms/evidence", "tests/rooms/spares", "tests/rooms/telemetry"
TARGETS = {
    "mutants-verifier": Target(
        tuple(f"waystation.evidence.verifier.{name}" for name in _VERIFIER),
        (
            f"{_EVIDENCE}/test_verifier_parts.py",
            f"{_EVIDENCE}/test_verdict.py",
            f"{_EVIDENCE}/test_pack.py",
            f"{_EVIDENCE}/test_vectors.py",
        ),
    ),
    "mutants-verdict": Target(
        tuple(f"waystation.telemetry.rules.{name}" for name in ("verdict", "space", "series")),
        (f"{_TELEMETRY}/test_verdict_rules.py", "tests/doors/test_qualify.py"),
    ),
    "mutants-sequencer": Target(("waystation.evidence.sequencer",), (f"{_EVIDENCE}/test_sequencer.py",), rows=True),
    "mutants-reservation": Target(
        ("waystation.spares.actions.hold",),
        (
            f"{_SPARES}/test_hold.py",
            f"{_SPARES}/test_sourcing_actions.py",
        ),
        rows=True,
    ),
}
NAMES = tuple(TARGETS)


class _Changed(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Loads one module from a mutant's source."""

    def __init__(self, module: str, source: str) -> None:
        self._module, self._source = module, source

    def find_spec(self, name: str, path: object, target: object = None) -> object:
        """Only for that module."""
        if name != self._module:
            return None
        return importlib.util.spec_from_file_location(name, _file(name), loader=self)  # type: ignore[arg-type]

    def exec_module(self, module: ModuleType) -> None:
        """Run the changed source."""
        exec(compile(self._source, _file(self._module), "exec"), module.__dict__)


def run(name: str, minutes: float) -> int:
    """Try the mutants of a target that no run has tried, in an order of chance; 1 when fewer than 95 % are killed."""
    target = TARGETS[name]
    every = [(module, n) for module in target.modules for n in range(count(_source(module)))]
    random.Random(7).shuffle(every)
    first = ledger.next_seed(name, "")
    if first >= len(every):
        print(f"{name}: all {len(every)} mutants were tried; see docs/reference/soak.md")
        return 0
    with tempfile.TemporaryDirectory(prefix="waystation-mutants-") as scratch:
        template = _prepare(target, Path(scratch))
        alone_s = _time_unchanged(target, Path(scratch), template)
        begin = time.monotonic()
        tried, alive = _try(every[first:], target, Path(scratch), template, alone_s, begin + minutes * 60)
    for module, number in alive:
        change = mutant(_source(module), number)
        print(f"survived: {module}:{change.line} {change.what}", flush=True)
    if not tried:
        print(f"{name}: there was no time to try one; the tests alone take {alone_s:.0f} s")
        return 1
    killed = tried - len(alive)
    share = 100 * killed / tried
    line = Line(name, "", first, tried, tried, f"{killed} killed ({share:.1f} %)", round(time.monotonic() - begin), "")
    ledger.append(line.on(f"{datetime.now(UTC):%Y-%m-%d}"))
    print(f"{name}: {killed} of {tried} killed, {len(every) - first - tried} not tried yet", flush=True)
    return int(share < 95)


def _try(
    waiting: Sequence[tuple[str, int]],
    target: Target,
    scratch: Path,
    template: Path | None,
    alone_s: float,
    end: float,
) -> tuple[int, list[tuple[str, int]]]:
    """Two at a time until the time is over: how many were tried, and which of them nobody noticed."""
    queue, running, alive, tried = list(waiting), {}, [], 0
    limit_s = 3 * alone_s + 20
    while queue or running:
        while queue and len(running) < AT_ONCE and time.monotonic() < end:
            module, number = queue.pop(0)
            pid = _begin(target, scratch, template, _Changed(module, mutant(_source(module), number).source))
            running[pid] = (module, number, time.monotonic())
        if not running:
            break
        for pid, (module, number, since) in list(running.items()):
            done, status = os.waitpid(pid, os.WNOHANG)
            if not done and time.monotonic() - since > limit_s:
                os.killpg(pid, signal.SIGKILL)
                done, status = os.waitpid(pid, 0)
            if done:
                del running[pid]
                tried += 1
                if os.waitstatus_to_exitcode(status) == 0:
                    alive.append((module, number))
        time.sleep(0.02)
    return tried, alive


def _begin(target: Target, scratch: Path, template: Path | None, finder: _Changed | None) -> int:
    """A child that runs the tests and ends with their status; 0 says that nothing was noticed."""
    pid = os.fork()
    if pid:
        return pid
    status = 1
    with contextlib.suppress(BaseException):
        os.setsid()
        status = _in_child(target, Path(tempfile.mkdtemp(dir=scratch)), template, finder)
    os._exit(status)


def _in_child(target: Target, folder: Path, template: Path | None, finder: _Changed | None) -> int:
    import pytest

    quiet = os.open(os.devnull, os.O_WRONLY)
    for number in (1, 2):
        os.dup2(quiet, number)
    os.environ["WAYSTATION_DATA"] = str(folder)
    os.environ["TMPDIR"] = tempfile.tempdir = str(folder)
    if finder is not None:
        sys.meta_path.insert(0, finder)
    words = ["-x", "-q", "-p", "no:xdist", "-p", "no:warnings", *target.tests]
    if template is not None:
        _use_copy(template, folder)
        words.append("--reuse-db")
    return int(pytest.main(words))


def _use_copy(template: Path, folder: Path) -> None:
    import django

    os.environ["DJANGO_SETTINGS_MODULE"] = "waystation.settings"
    django.setup()
    from django.db import connection

    shutil.copy(template, folder / "t.sqlite3")
    connection.settings_dict["TEST"]["NAME"] = str(folder / "t.sqlite3")


def _prepare(target: Target, scratch: Path) -> Path | None:
    """Load what every child needs and no mutant changes; for tests with rows a database that is already migrated."""
    os.chdir(ROOT)
    sys.path[:0] = [str(SOURCE), str(ROOT)]
    _load(["pytest", "hypothesis.strategies", "django.test", "numpy", "cryptography.fernet", "pymerkle", "aiosmtpd"])
    if not target.rows:
        return None
    template = scratch / "template.sqlite3"
    pid = os.fork()
    if not pid:
        status = 1
        with contextlib.suppress(BaseException):
            os.environ["WAYSTATION_DATA"] = str(scratch)
            os.environ["WAYSTATION_DATABASE_URL"] = f"sqlite://{template}"
            from waystation.cli import start

            start.load(scratch, None)
            start.migrate()
            from django.db import connection

            connection.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)")
            connection.close()
            status = 0
        os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0, "the database could not be prepared"
    return template


def _load(names: Iterable[str]) -> None:
    for name in names:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)


def _time_unchanged(target: Target, scratch: Path, template: Path | None) -> float:
    """How long the tests take without a change; they must hold."""
    begin = time.monotonic()
    pid = _begin(target, scratch, template, None)
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    if status:
        raise SystemExit(f"the tests fail without any change (status {status}): {' '.join(target.tests)}")
    return time.monotonic() - begin


def _source(module: str) -> str:
    return Path(_file(module)).read_text(encoding="utf-8")


def _file(module: str) -> str:
    return str(SOURCE / Path(*module.split("."))) + ".py"
