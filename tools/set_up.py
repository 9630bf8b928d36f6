"""Makes a clone runnable: virtual environment, hash-pinned packages, browser assets, and for tests the system's tools.

    python3 tools/set_up.py server|test

Runs on the system's own Python (3.11 or later) with nothing installed. Says what it does and how long it took;
when something is missing that it may not install, it names the one command to run and stops with 1.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
BIN = VENV / "bin"
STAMP = VENV / "installed"
# what the suites talk to: a program, and the package of Debian and Ubuntu that brings it
TOOLS = {
    "initdb": "postgresql",
    "mosquitto": "mosquitto",
    "chromium": "chromium",
    "openssl": "openssl",
    "softhsm2-util": "softhsm2",
}


class Missing(Exception):
    """Something is not there and this program may not install it."""


def main(words: list[str]) -> int:
    """Set up for `server` or `test`."""
    if words not in (["server"], ["test"]):
        print(__doc__)
        return 2
    begin = time.monotonic()
    try:
        _environment()
        _packages("dev" if words == ["test"] else "server")
        if words == ["test"]:
            _system_tools()
    except Missing as missing:
        print(missing)
        return 1
    except subprocess.CalledProcessError as failed:
        print(f"This step failed with status {failed.returncode}: {' '.join(map(str, failed.cmd))}")
        return 1
    print(f"set up in {time.monotonic() - begin:.0f} s", flush=True)
    return 0


def _environment() -> None:
    if (BIN / "python").exists() and (BIN / "pip").exists():
        return
    if (
        shutil.which("python3")
        and subprocess.run([sys.executable, "-c", "import ensurepip"], capture_output=True).returncode
    ):
        _install(["python3-venv"], why="Python here cannot make virtual environments.")
    print("making the virtual environment", flush=True)
    subprocess.run([sys.executable, "-m", "venv", "--clear", VENV], check=True)


def _packages(name: str) -> None:
    wanted = [ROOT / f"requirements/{part}.txt" for part in ("boot", "build", name)]
    extra = [ROOT / part for part in ("pyproject.toml", "package-lock.json", "tools/build_assets.py")]
    digest = hashlib.sha256(b"".join(p.read_bytes() for p in [*wanted, *extra])).hexdigest()
    done = STAMP.read_text().split() if STAMP.exists() else []
    assets = ROOT / "src/waystation/console/static/vendor"
    if digest in done and assets.is_dir():
        return
    begin = time.monotonic()
    print("fetching the pinned packages", flush=True)
    _run(
        BIN / "python", "-m", "pip", "install", "-q", "--disable-pip-version-check", "--require-hashes", "-r", wanted[0]
    )
    _run(BIN / "uv", "pip", "install", "-q", "--require-hashes", "-r", wanted[1], "-r", wanted[2])
    print(f"fetched and installed in {time.monotonic() - begin:.0f} s (downloads included)", flush=True)
    _run(BIN / "uv", "pip", "install", "-q", "--no-deps", "--no-build-isolation", "-e", ROOT)
    STAMP.write_text("\n".join([*done, digest]))


def _run(*command: str | Path) -> None:
    env = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"} | {"VIRTUAL_ENV": str(VENV)}
    subprocess.run(command, check=True, cwd=ROOT, env=env)


def _system_tools() -> None:
    missing = [package for program, package in TOOLS.items() if not found(program)]
    if missing:
        _install(missing, why="The suites talk to real programs.")


def found(program: str) -> str | None:
    """Where a program is: on the path, or where Debian keeps PostgreSQL's and Mosquitto's."""
    folders = [*sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True), Path("/usr/sbin")]
    names = [program, "chromium-browser", "google-chrome"] if program == "chromium" else [program]
    where = os.pathsep.join([os.environ.get("PATH", ""), *map(str, folders)])
    return next((path for name in names if (path := shutil.which(name, path=where))), None)


def _install(packages: list[str], why: str) -> None:
    command = f"apt-get install -y --no-install-recommends {' '.join(packages)}"
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        raise Missing(f"{why} Install what is missing, then try again:\n  sudo {command}")
    print(f"installing {', '.join(packages)}", flush=True)
    env = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    # a service that the package would start is not wanted: the suites start their own
    policy = Path("/usr/sbin/policy-rc.d")
    ours = not policy.exists()
    if ours:
        policy.write_text("#!/bin/sh\nexit 101\n")
        policy.chmod(0o755)
    try:
        subprocess.run(["apt-get", "update", "-q"], check=True, env=env, stdout=subprocess.DEVNULL)
        subprocess.run(command.split(), check=True, env=env, stdout=subprocess.DEVNULL)
    finally:
        if ours:
            policy.unlink()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
