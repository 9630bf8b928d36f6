"""A site's agent behind a bad line: two network namespaces joined by a link that loses, delays and cuts packets.

    make soak PART=network                   as root

The agent and the centre are their real processes. Packets between them pass through a pair of TUN devices that this
process joins; a byte pipe at either end lets both sides speak to their own loopback. The oracle is the centre's log
against the agent's spool: what was acknowledged is there, each number once, none missing.
"""

from __future__ import annotations

import fcntl
import heapq
import json
import os
import random
import select
import signal
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.conftest import ROOT
from tests.edge.test_edge_process import Running, hold_against
from tests.stories.serving import Served
from tests.stories.test_crashes import _env, serving

TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454CA, 0x0001, 0x1000
NETWORK = "10.213.7"
CENTRE, SITE = f"{NETWORK}.1", f"{NETWORK}.2"
DRAINED_WITHIN_S = 180.0


@dataclass
class Weather:
    """How the link is now: the share of packets lost, the seconds each takes at least and at most, and a cut."""

    loss: float = 0.0
    least_s: float = 0.0
    most_s: float = 0.0
    is_cut: bool = False


class Link(threading.Thread):
    """Carries packets between two TUN devices; what was lost and carried is counted."""

    def __init__(self, ends: tuple[int, int], seed: int) -> None:
        super().__init__(daemon=True)
        self.weather, self.carried, self.lost = Weather(), 0, 0
        self._ends, self._chance, self.over = ends, random.Random(seed), threading.Event()

    def run(self) -> None:
        """Until told that it is over."""
        waiting: list[tuple[float, int, int, bytes]] = []
        other = {self._ends[0]: self._ends[1], self._ends[1]: self._ends[0]}
        while not self.over.is_set():
            wait = max(0.0, waiting[0][0] - time.monotonic()) if waiting else 0.05
            for end in select.select(self._ends, (), (), min(wait, 0.05))[0]:
                packet, now = os.read(end, 65_535), self.weather
                if now.is_cut or self._chance.random() < now.loss:
                    self.lost += 1
                    continue
                due = time.monotonic() + self._chance.uniform(now.least_s, now.most_s)
                heapq.heappush(waiting, (due, self.carried, other[end], packet))
                self.carried += 1
            while waiting and waiting[0][0] <= time.monotonic():
                _, _, end, packet = heapq.heappop(waiting)
                try:
                    os.write(end, packet)
                except OSError:  # the device is going down
                    continue


def tun(name: str) -> int:
    """A TUN device of that name; its packets are read from and written to the descriptor."""
    found = os.open("/dev/net/tun", os.O_RDWR)
    fcntl.ioctl(found, TUNSETIFF, struct.pack("16sH", name.encode(), IFF_TUN | IFF_NO_PI))
    return found


def ip(*words: str) -> None:
    """One `ip` command; it has to succeed."""
    done = subprocess.run(["ip", *words], capture_output=True, text=True)
    assert done.returncode == 0, f"ip {' '.join(words)}: {done.stderr.strip()}"


@contextmanager
def joined(seed: int) -> Iterator[tuple[str, Link]]:
    """A namespace for the site, and the link to it. Both are gone at the end."""
    tag = f"{os.getpid() % 10_000}"
    space, near, far = f"wsite{tag}", f"wc{tag}", f"ws{tag}"
    ip("netns", "add", space)
    ends = (tun(near), tun(far))
    link = Link(ends, seed)
    try:
        ip("link", "set", far, "netns", space)
        for words, name, own, peer in (((), near, CENTRE, SITE), (("-n", space), far, SITE, CENTRE)):
            ip(*words, "addr", "add", own, "peer", peer, "dev", name)
            ip(*words, "link", "set", name, "mtu", "1400", "up")
        ip("-n", space, "link", "set", "lo", "up")
        link.start()
        yield space, link
    finally:
        link.over.set()
        link.join(5) if link.is_alive() else None
        for end in ends:
            os.close(end)
        subprocess.run(["ip", "netns", "del", space], capture_output=True)


class Far(Running):
    """The agent's process in the namespace of the site."""

    def __init__(self, folder: Path, served: Served, space: str) -> None:
        super().__init__(folder, served)
        self.inside = ("ip", "netns", "exec", space)

    def command(self, *words: str) -> list[str]:
        """A call of the agent's command inside."""
        return [*self.inside, sys.executable, "-m", "waystation.edge.main", *words]


@contextmanager
def piped(space: str, port: str) -> Iterator[None]:
    """In both places, bytes of the port on loopback go to the other end of the link."""
    here = [sys.executable, "-m", "tests.soak.pipe", f"{CENTRE}:{port}", f"127.0.0.1:{port}"]
    there = [
        *("ip", "netns", "exec", space),
        *(sys.executable, "-m", "tests.soak.pipe", f"127.0.0.1:{port}", f"{CENTRE}:{port}"),
    ]
    pipes = [subprocess.Popen(words, cwd=ROOT, env=_env()) for words in (here, there)]
    try:
        yield
    finally:
        for pipe in pipes:
            pipe.terminate()
            pipe.wait(10)


def history(seed: int) -> int:
    """Weathers in the order of a seed, each for some seconds, a cut among them; then the sky clears and all arrives.

    Returns how many packets were lost on the way.
    """
    chance = random.Random(seed)
    weathers = [
        Weather(),
        Weather(loss=chance.uniform(0.05, 0.3), least_s=0.02, most_s=chance.uniform(0.1, 0.6)),
        Weather(is_cut=True),
        Weather(loss=chance.uniform(0.2, 0.45)),
        Weather(least_s=chance.uniform(0.5, 1.5), most_s=2.0),
    ]
    chance.shuffle(weathers)
    with tempfile.TemporaryDirectory() as name, joined(seed) as (space, link):
        served = serving(Path(name) / "data")
        try:
            served.start()
            with piped(space, served.url.rpartition(":")[2]):
                agent = Far(Path(name) / "agent", served, space)
                _enrol(agent, served)
                try:
                    agent.start()
                    agent.wait_for("boot 1 of")
                    for weather in weathers:
                        link.weather = weather
                        agent.write_for(chance.uniform(4.0, 9.0))
                    link.weather = Weather()
                    _drain(agent)
                    assert agent.end(signal.SIGTERM) == 0
                finally:
                    agent.end(signal.SIGKILL)
            hold_against(agent, served, boots=1)
        finally:
            served.end()
        assert link.lost > 0
        return link.lost


def _enrol(agent: Far, served: Served) -> None:
    words = ["access", "token", "enrol", "--name", "agent", "--site", "cordoba", "--data", str(served.folder)]
    command = [sys.executable, "-m", "waystation.cli.main", *words]
    token = subprocess.run(command, cwd=ROOT, env=_env(), capture_output=True, text=True, timeout=120).stdout.strip()
    until = time.monotonic() + 60
    while (done := agent.call("enrol", "--config", str(agent.config), "--token", token)).returncode:
        assert time.monotonic() < until, done.stderr  # the pipes begin to listen
        time.sleep(0.5)


def _drain(agent: Far) -> None:
    until = time.monotonic() + DRAINED_WITHIN_S
    told: dict[str, Any] = {}
    while not told or any(told["waiting"].get(kind, 0) for kind in ("data", "alarm")):
        assert time.monotonic() < until, json.dumps(told)
        agent.write_for(0.5)
        told = agent.status()
