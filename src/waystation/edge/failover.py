"""The failover test: one uplink alone, and for each class of traffic whether it came through."""

from __future__ import annotations

from typing import Any

from waystation.edge.uplink import Sender

WITHIN_US = 180 * 1_000_000
ASKED = ("alarm", "heartbeat", "live")


class FailoverTest:
    """At most three minutes one uplink is used alone; an alarm, a heartbeat and live telemetry have to come through."""

    def __init__(self, sender: Sender) -> None:
        self._sender = sender
        self._uplink = ""
        self._begun_us = 0
        self._test = ""
        self.last: dict[str, Any] = {}

    @property
    def is_running(self) -> bool:
        """True while the other uplinks stand aside."""
        return bool(self._uplink)

    def begin(self, uplink: str, now_us: int, test: str = "") -> dict[str, Any]:
        """From now on only this uplink; the note that goes out as the test's alarm. `test`: the centre's name of it."""
        self._sender.paths.named(uplink)
        self._uplink, self._begun_us, self._test = uplink, now_us, test
        self._sender.paths.only = uplink
        return {"kind": "failover_begun", "uplink": uplink, "at_us": now_us} | self._named()

    def refuse(self, uplink: str, now_us: int, test: str, cause: str) -> dict[str, Any]:
        """The result of a test that the centre asked for and that cannot be made here."""
        said = {"kind": "failover_tested", "uplink": uplink[:40], "at_us": now_us, "passed": False, "cause": cause}
        return said | {f"{kind}_us": 0 for kind in ASKED} | {"test": test}

    def _named(self) -> dict[str, str]:
        return {"test": self._test} if self._test else {}

    def step(self, now_us: int) -> dict[str, Any] | None:
        """The result once all came through or time is up: instants (0: not) and `passed` for each class."""
        if not self._uplink:
            return None
        last = self._sender.paths.named(self._uplink).last_us
        came = {kind: last.get(kind, 0) if last.get(kind, 0) >= self._begun_us else 0 for kind in ASKED}
        if not all(came.values()) and now_us - self._begun_us < WITHIN_US:
            return None
        self.last = {"kind": "failover_tested", "uplink": self._uplink, "at_us": now_us}
        self.last |= {f"{kind}_us": at for kind, at in came.items()} | {"passed": all(came.values())}
        self.last |= self._named()
        self._uplink = self._sender.paths.only = ""
        return self.last

    def told(self) -> dict[str, Any]:
        """What people are shown: whether a test runs, and the result of the last one."""
        return {"failover": {"is_running": self.is_running, "last": self.last}}
