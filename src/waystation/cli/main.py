"""`waystation <room> <verb>`: reads the words, loads the one module that serves them, prints what it says.

Exit codes: 0 done, 1 refused or a check failed (one line says why and the next step), 2 wrong usage.
"""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence

from waystation.cli import failures
from waystation.cli.health.lifeline import hang_on
from waystation.kernel.refusals import Refusal
from waystation.kernel.version import VERSION

# name → module in this folder; each module has `HELP` (one line), `configure(parser)` and `run(args) -> int`
COMMANDS: dict[str, str] = {
    "init": "init",
    "serve": "serve",
    "worker": "worker",
    "ingest": "ingest",
    "mqtt": "mqtt",
    "migrate": "migrate",
    "access": "access",
    "demo": "demo",
    "live": "live",
    "judge": "judge",
    "qualify": "qualify",
    "plan": "plan",
    "planning": "stock_policy",
    "evidence": "evidence",
    "witness": "witness",
    "overview": "overview",
    "backup": "backup",
    "restore": "restore",
    "doctor": "doctor",
    "watch": "watch",
    "registry": "registry",
}


def module_of(name: str) -> str:
    """The dotted name of the module that serves a command."""
    return f"waystation.cli.{COMMANDS[name]}"


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    words = list(sys.argv[1:] if argv is None else argv)
    if words[:1] in (["--version"], ["-V"]):
        print(f"waystation {VERSION}")
        return 0
    if not words or words[0] in ("-h", "--help"):
        print(_overview())
        return 0 if words else 2
    if words[0] not in COMMANDS:
        print(f"waystation: no command {words[0]!r}. `waystation --help` lists them.", file=sys.stderr)
        return 2
    return _run(words[0], words[1:])


def _run(name: str, words: list[str]) -> int:
    hang_on()
    module = importlib.import_module(module_of(name))
    parser = argparse.ArgumentParser(prog=f"waystation {name}", description=module.HELP)
    module.configure(parser)
    try:
        args = parser.parse_args(words)
    except SystemExit as stop:
        return int(stop.code or 0)
    try:
        return int(module.run(args))
    except Refusal as refusal:
        return _say(name, refusal)
    except BrokenPipeError:
        return 1
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return 1
    except Exception as error:  # because a full disk or a stopped database speaks from anywhere
        if (said := failures.in_words(error)) is None:
            raise
        return _say(name, said)


def _say(name: str, refusal: Refusal) -> int:
    print(f"waystation {name}: {refusal.message}", file=sys.stderr)
    if refusal.next_step:
        print(f"  next: {refusal.next_step}", file=sys.stderr)
    return 1


def _overview() -> str:
    lines = ["usage: waystation COMMAND [OPTIONS]", ""]
    width = max((len(name) for name in COMMANDS), default=0)
    lines += [f"  {name:<{width}}  {importlib.import_module(module_of(name)).HELP}" for name in COMMANDS]
    return "\n".join([*lines, "", "`waystation COMMAND --help` says more."])


if __name__ == "__main__":
    sys.exit(main())
