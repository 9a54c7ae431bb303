"""The attacks. Each takes the service's address and gives what it was answered, connection by
connection: whole answers as they came, None where the connection was left open."""

import asyncio
import contextlib
import json
from collections.abc import Callable, Coroutine, Iterable
from typing import Any, Final

from tests.attacks import pictures, wire
from tests.attacks.wire import Address
from tests.process_figures import MIB

Answers = list[bytes | None]
Attack = Callable[[Address], Coroutine[Any, Any, Answers]]

ATTACKS: Final[dict[str, Attack]] = {}
"""By name, in the order in which they are run."""

_SECONDS: Final = 240.0
"""In which every answer has come, or the attack is given up."""
_GET: Final = b"GET /health HTTP/1.1\r\nHost: localhost\r\n"
_UPLOAD: Final = b"POST /api/v1/assets HTTP/1.1\r\nHost: localhost\r\n"
_PNG: Final = _UPLOAD + b"Content-Type: image/png\r\n"
_CAMERA: Final = b"POST /api/v1/camera-angle/tasks HTTP/1.1\r\nHost: localhost\r\n"
_BLOCK: Final = 65_536


def attack(name: str) -> Callable[[Attack], Attack]:
    def named(one: Attack) -> Attack:
        ATTACKS[name] = one
        return one

    return named


def whole(head: bytes, body: bytes) -> bytes:
    """A request that ends its connection."""
    return head + b"Content-Length: %d\r\nConnection: close\r\n\r\n" % len(body) + body


async def all_of(address: Address, requests: Iterable[bytes]) -> Answers:
    """Said at once, each on a connection of its own."""
    each = (wire.says(address, one, seconds=_SECONDS) for one in requests)
    return list(await asyncio.gather(*each))


async def held(address: Address, count: int, sent: list[bytes], *, seconds: float) -> Answers:
    """What so many are told that send this and then wait so long."""
    async with wire.silent(address, count, sent) as lines:
        await asyncio.sleep(seconds)
        return [wire.heard(line) for line in lines]


async def begun(address: Address, count: int, sent: bytes, *, seconds: float) -> Answers:
    """As `held`, but how the answers begin, of those who read nothing meanwhile."""
    async with wire.silent(address, count, [sent]) as lines:
        await asyncio.sleep(seconds)
        return [wire.heard(line, most=1) for line in lines]


async def without_end(address: Address, head: bytes, part: bytes, size: int) -> Answers:
    times = size // len(part)
    return [await wire.says(address, part, times=times, head=head, seconds=_SECONDS)]


@attack("1,100 half-open heads")
async def _(address: Address) -> Answers:
    return await held(address, 1100, [_GET + b"X-Slow: "], seconds=15)


@attack("half-open heads, again and again")
async def _(address: Address) -> Answers:
    return [
        answer
        for _ in range(6)
        for answer in await held(address, 1100, [_GET + b"X-Slow: "], seconds=1)
    ]


@attack("60 MB of small headers")
async def _(address: Address) -> Answers:
    return await without_end(address, _GET, b"X: a\r\n" * 10_000, 60_000_000)


@attack("60 MB of trailers")
async def _(address: Address) -> Answers:
    head = _PNG + b"Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n"
    return await without_end(address, head, b"X: a\r\n" * 10_000, 60_000_000)


@attack("a header of 100 MB")
async def _(address: Address) -> Answers:
    return await without_end(address, _GET + b"X: ", b"a" * _BLOCK, 100_000_000)


@attack("a URL of 60 MB")
async def _(address: Address) -> Answers:
    return await without_end(address, b"GET /", b"a" * _BLOCK, 60_000_000)


@attack("100 uploads that stop after 19 of 20 MiB")
async def _(address: Address) -> Answers:
    body = [_PNG + b"Content-Length: %d\r\n\r\n" % (20 * MIB), *[bytes(_BLOCK)] * (19 * 16)]
    return await held(address, 100, body, seconds=10)


@attack("8 uploads of 20 MiB that dribble")
async def _(address: Address) -> Answers:
    head = _PNG + b"Content-Length: %d\r\n\r\n" % (20 * MIB)
    async with wire.silent(address, 8, [head, *[bytes(_BLOCK)] * (19 * 16)]) as lines:
        for _ in range(100):
            for line in lines:
                with contextlib.suppress(OSError):  # it is full, or closed
                    line.send(b"x")
            await asyncio.sleep(0.1)
        return [wire.heard(line) for line in lines]


@attack("200 who do not read a picture of 20 MiB")
async def _(address: Address) -> Answers:
    (made,) = await all_of(address, (whole(_PNG, one) for one in pictures.noise(1)))
    asked = f"GET /assets/{_told(made)['key']} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
    return await begun(address, 200, asked, seconds=10)


@attack("1,100 long polls of a task that waits")
async def _(address: Address) -> Answers:
    return await _listening(address, "GET /api/v1/tasks/{task}?wait=60 HTTP/1.1")


@attack("1,100 event streams that nobody reads")
async def _(address: Address) -> Answers:
    return await _listening(address, "GET /api/v1/tasks/{task}/events HTTP/1.1")


async def _listening(address: Address, line: str) -> Answers:
    """To the last of some tasks that take a moment each."""
    (made,) = await all_of(address, [whole(_PNG, pictures.plain())])
    body = json.dumps({"image_url": _told(made)["image_url"], "zoom": 1}).encode()
    head = _CAMERA + b"Content-Type: application/json\r\n"
    tasks = [_told(one)["task_id"] for one in await all_of(address, [whole(head, body)] * 12)]
    asked = line.format(task=tasks[-1]) + "\r\nHost: localhost\r\n\r\n"
    answers = await begun(address, 1100, asked.encode(), seconds=10)
    ending = "POST /api/v1/tasks/{}/cancel HTTP/1.1\r\nHost: localhost\r\n"
    await all_of(address, (whole(ending.format(task).encode(), b"") for task in tasks))
    return answers


def _told(answer: bytes | None) -> dict[str, Any]:
    return dict(json.loads((answer or b"").partition(b"\r\n\r\n")[2]))


@attack("30 uploads of 20 MiB at once")
async def _(address: Address) -> Answers:
    return await all_of(address, (whole(_PNG, one) for one in pictures.noise(30)))


@attack("30 forms of 20 MiB at once")
async def _(address: Address) -> Answers:
    head = _UPLOAD + b"Content-Type: multipart/form-data; boundary=b\r\n"
    part = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.png"\r\n\r\n'
    forms = (whole(head, part + one + b"\r\n--b--\r\n") for one in pictures.noise(30))
    return await all_of(address, forms)


@attack("10 bodies of 150,000 unknown fields")
async def _(address: Address) -> Answers:
    body = json.dumps({f"f{number}": number for number in range(150_000)}).encode()
    head = _CAMERA + b"Content-Type: application/json\r\n"
    return await all_of(address, [whole(head, body)] * 10)


@attack("12 small files that are 40 megapixels")
async def _(address: Address) -> Answers:
    return await all_of(address, [whole(_PNG, one) for one in pictures.bombs(12)])


@attack("a PNG with 65,535 broken tags")
async def _(address: Address) -> Answers:
    return await all_of(address, [whole(_PNG, pictures.warnings())])


@attack("40 URLs at a server that is silent")
async def _(address: Address) -> Answers:
    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    async with await asyncio.start_server(accept, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        head = _CAMERA + b"Content-Type: application/json\r\n"
        body = {"image_url": f"http://127.0.0.1:{port}/still.png", "zoom": 1}
        return await all_of(address, [whole(head, json.dumps(body).encode())] * 40)
