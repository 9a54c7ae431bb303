"""Bytes said to a server as they are, which no HTTP client would say."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Sequence

Address = tuple[str, int]


async def says(
    address: Address, sent: bytes, *, times: int = 1, head: bytes = b"", seconds: float
) -> bytes:
    """What is answered, until the other side closes, to one who sends `head`, and `sent` so many
    times. Raises TimeoutError."""
    reader, writer = await asyncio.open_connection(*address)

    async def sending() -> None:
        writer.write(head)
        for _ in range(times):
            writer.write(sent)
            await writer.drain()

    try:
        async with asyncio.timeout(seconds):
            sends = asyncio.create_task(sending())
            answer = await reader.read()
            sends.cancel()
            await asyncio.gather(sends, return_exceptions=True)
            return answer
    finally:
        writer.close()


@contextlib.asynccontextmanager
async def silent(
    address: Address, count: int, sent: Sequence[bytes]
) -> AsyncIterator[list[socket.socket]]:
    """So many connections, each of which sends this and then nothing."""
    loop, lines = asyncio.get_running_loop(), []
    try:
        for _ in range(count):
            one = socket.socket()
            one.setblocking(False)
            lines.append(one)
            with contextlib.suppress(ConnectionError, TimeoutError):
                async with asyncio.timeout(2):
                    await loop.sock_connect(one, address)
                    for part in sent:
                        await loop.sock_sendall(one, part)
        yield lines
    finally:
        for one in lines:
            one.close()


def heard(line: socket.socket, *, most: int | None = None) -> bytes | None:
    """What the other side said, or about so much of it; None if it has not said that, and has not
    ended the connection."""
    said = b""
    try:
        while (most is None or len(said) < most) and (part := line.recv(65536)):
            said += part
    except BlockingIOError:
        return None
    except OSError:
        pass
    return said
