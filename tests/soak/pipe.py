"""A byte pipe: connections taken at one address are carried to another.

python -m tests.soak.pipe NEAR FAR
"""

from __future__ import annotations

import asyncio
import sys


async def pipe(near: str, far: str) -> None:
    """Take connections at `near`, and carry their bytes to `far` and back."""

    async def copy(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        try:
            while data := await source.read(65_536):
                sink.write(data)
                await sink.drain()
        except OSError:
            pass
        finally:
            sink.close()

    async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        host, _, port = far.rpartition(":")
        try:
            there, back = await asyncio.open_connection(host, int(port))
        except OSError:
            writer.close()
            return
        await asyncio.gather(copy(reader, back), copy(there, writer))

    host, _, port = near.rpartition(":")
    async with await asyncio.start_server(carry, host, int(port)) as server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(pipe(*sys.argv[1:3]))
