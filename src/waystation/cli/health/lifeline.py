"""What ties a part to its supervisor: a pipe whose end closes when the supervisor is gone, however it ended.

A part that lived on alone would hold the port and the loops' leases, so it stops when the pipe closes.
"""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Sequence

VARIABLE = "WAYSTATION_LIFELINE"
GRACE_S = 10.0


class Lifeline:
    """The supervisor's end. Its parts inherit the other one."""

    def __init__(self) -> None:
        self._held_by_parts, self._mine = os.pipe()

    def start(self, command: Sequence[str]) -> subprocess.Popen[bytes]:
        """Start a part that ends with this process."""
        env = os.environ | {VARIABLE: str(self._held_by_parts)}
        return subprocess.Popen(command, env=env, pass_fds=[self._held_by_parts])


def hang_on(grace_s: float = GRACE_S) -> None:
    """End this process, gently and then for good, when the supervisor that started it is gone."""
    number = os.environ.pop(VARIABLE, "")
    if number:
        threading.Thread(target=_wait, args=(int(number), grace_s), daemon=True, name="lifeline").start()


def _wait(descriptor: int, grace_s: float) -> None:
    while os.read(descriptor, 1):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(grace_s)
    os._exit(1)
