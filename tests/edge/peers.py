"""Instruments that really speak: an SNMP agent simulator on recorded walks, and Modbus servers."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

V3 = ("watch", "authentication-key", "encryption-key")


def free_port(kind: int = socket.SOCK_STREAM) -> int:
    """A port of the loopback that nobody uses."""
    with socket.socket(socket.AF_INET, kind) as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@contextmanager
def running(command: Sequence[str], ready: Callable[[], bool], log: Path) -> Iterator[None]:
    """A process until the end of the block; fails with its words when it is not ready within four minutes."""
    with log.open("wb") as out:
        process = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT, start_new_session=True)
    try:
        end = time.monotonic() + 240
        while not ready():
            if process.poll() is not None or time.monotonic() > end:
                raise AssertionError(f"{command[0]} is not ready: {log.read_text()[-800:]}")
            time.sleep(0.05)
        yield
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@contextmanager
def snmp_agent(folder: Path, walks: Mapping[str, bytes]) -> Iterator[str]:
    """The agent simulator; each walk answers to its name as community and as context of version 3. Gives host:port."""
    data, port = folder / "walks", free_port(socket.SOCK_DGRAM)
    data.mkdir()
    for name, walk in walks.items():
        (data / f"{name}.snmprec").write_bytes(walk)
    log, (user, auth, priv) = folder / "snmp.log", V3
    command = [str(Path(sys.executable).parent / "snmpsim-command-responder"), f"--data-dir={data}"]
    command += [f"--agent-udpv4-endpoint=127.0.0.1:{port}", f"--cache-dir={folder / 'cache'}"]
    command += [f"--v3-user={user}", f"--v3-auth-key={auth}", "--v3-auth-proto=SHA"]
    command += [f"--v3-priv-key={priv}", "--v3-priv-proto=AES"]
    if os.getuid() == 0:
        command += ["--process-user=root", "--process-group=root"]
    with running(command, lambda: "Listening at" in log.read_text(errors="replace"), log):
        yield f"127.0.0.1:{port}"


_MODBUS = """
import asyncio, sys
from pymodbus import FramerType
from pymodbus.server import StartAsyncTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice
registers = [int(n) for n in sys.argv[3].split(",")]
bits = [n == "1" for n in sys.argv[4]]
block = lambda: SimData(0, values=registers, datatype=DataType.REGISTERS)
flags = lambda: SimData(0, values=bits, datatype=DataType.BITS)
device = SimDevice(7, simdata=([flags()], [flags()], [block()], [block()]))
asyncio.run(StartAsyncTcpServer(device, address=("127.0.0.1", int(sys.argv[1])), framer=FramerType(sys.argv[2])))
"""


@contextmanager
def modbus_server(folder: Path, registers: Sequence[int], bits: str, framing: str = "tcp") -> Iterator[str]:
    """A Modbus server with device 7: the same registers as holding and input, the same bits as coils and discretes."""
    port = free_port()
    command = [sys.executable, "-c", _MODBUS, str(port), "rtu" if framing == "rtu" else "socket"]
    command += [",".join(map(str, registers)), bits]

    def ready() -> bool:
        with socket.socket() as one:
            return one.connect_ex(("127.0.0.1", port)) == 0

    with running(command, ready, folder / f"modbus-{port}.log"):
        yield f"127.0.0.1:{port}"
