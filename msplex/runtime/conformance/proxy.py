"""The suite sends no token, so a proxy on the loopback adds one, and leaves everything else of a request as it is."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

END = b"\r\n\r\n"
LENGTH = b"content-length:"
PIECE = 64 * 1024


@contextlib.asynccontextmanager
async def adding(token: str, *, to: int) -> AsyncIterator[int]:
    """The port at which requests get the token on their way to `to`, another port of this machine."""
    header = f"Authorization: Bearer {token}\r\n".encode()
    served: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task:
            served.add(task)
        await _serve(reader, writer, header, to)

    server = await asyncio.start_server(serve, "127.0.0.1", 0, limit=PIECE)
    async with server:
        yield server.sockets[0].getsockname()[1]
    for task in served:
        task.cancel()
    await asyncio.gather(*served, return_exceptions=True)


async def _serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, header: bytes, to: int) -> None:
    upstream_reader, upstream_writer = await asyncio.open_connection("127.0.0.1", to)
    back = asyncio.create_task(_copy(upstream_reader, writer))
    try:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            await _forward(reader, upstream_writer, header)
    finally:
        back.cancel()
        for each in (upstream_writer, writer):
            each.close()
            with contextlib.suppress(ConnectionError):
                await each.wait_closed()


async def _forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, header: bytes) -> None:
    """Request after request of one connection, until its client has gone."""
    while True:
        head = await reader.readuntil(END)
        lines = head.split(b"\r\n")
        length = next((int(line[len(LENGTH) :]) for line in lines if line.lower().startswith(LENGTH)), 0)
        start, _, rest = head.partition(b"\r\n")
        writer.write(start + b"\r\n" + header + rest + (await reader.readexactly(length) if length else b""))
        await writer.drain()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError):
        while piece := await reader.read(PIECE):
            writer.write(piece)
            await writer.drain()
    writer.close()
