"""What a connection sends, and in how many pieces."""

import asyncio
from typing import cast

import pytest

from short_drama.web.front.line import Line

HEAD = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n"


class Transport:
    def __init__(self) -> None:
        self.sent: list[bytes] = []
        self.pause_reading = self.resume_reading = self.get_extra_info = lambda: None

    def write(self, data: bytes) -> None:
        self.sent.append(data)

    def is_closing(self) -> bool:
        return False


@pytest.fixture
def transport() -> Transport:
    return Transport()


@pytest.fixture
def line(transport: Transport) -> Line:
    return Line(cast("asyncio.Transport", transport), lambda: transport.sent.append(b"the end"))


async def test_an_answer_is_sent_whole(line: Line, transport: Transport) -> None:
    line.write(HEAD)
    line.write(b"{}")
    await asyncio.sleep(0)
    assert transport.sent == [HEAD + b"{}"]


async def test_a_head_waits_for_nothing_that_takes_time(line: Line, transport: Transport) -> None:
    line.write(HEAD)
    await asyncio.sleep(0)
    line.write(b"data: 1\n\n")
    assert transport.sent == [HEAD, b"data: 1\n\n"]


async def test_a_head_is_sent_before_the_end(line: Line, transport: Transport) -> None:
    line.write(HEAD)
    line.close()
    await asyncio.sleep(0)
    assert transport.sent == [HEAD, b"the end"]
