"""Frames as comfy-api-proxy 0.1.6 was seen to send them, and whatever else may come."""

import asyncio

import pytest

from short_drama.comfyui_api.hosted.stream import (
    Moved,
    Pictured,
    Stepped,
    Told,
    read_stream,
)

RECORDED = b"""event: status
data: {"status":"running"}

event: progress
data: {"value":0.0,"nodes_done":0,"nodes_total":0}

: keepalive

event: progress
data: {"value":0.93,"nodes_done":12,"nodes_total":13,"current_node":"sampler","step":1,"steps":8}

event: preview
data: {"node_id":"sampler","content_type":"image/jpeg","data_base64":"/9j/4AA="}

event: output
data: {"node_id":"save","name":"result_00001_.png","type":"image","id":"a"}

event: status
data: {"status":"succeeded"}

"""


async def told(sent: bytes) -> list[Told]:
    lines = asyncio.StreamReader()
    lines.feed_data(sent)
    lines.feed_eof()
    return [one async for one in read_stream(lines)]


async def test_what_is_told_of_a_whole_job() -> None:
    assert await told(RECORDED) == [
        Moved(),
        Stepped(None, None),
        Stepped("sampler", 1 / 8),
        Pictured("image/jpeg", b"\xff\xd8\xff\xe0\x00"),
        Moved(),
        Moved(),
    ]


async def test_lines_may_end_as_on_windows() -> None:
    assert len(await told(RECORDED.replace(b"\n", b"\r\n"))) == 6


@pytest.mark.parametrize(
    "frame",
    [
        b"event: log\ndata: {}\n\n",
        b"event: status\ndata: not JSON\n\n",
        b"event: status\ndata: []\n\n",
        b'event: preview\ndata: {"data_base64":"!"}\n\n',
        b"event: preview\ndata: {}\n\n",
        b"\xff\xfe\n\n",
        b"event: status\ndata: {}",  # cut off
    ],
)
async def test_what_makes_no_sense_is_skipped(frame: bytes) -> None:
    assert await told(frame) == []


async def test_steps_beyond_the_last_are_the_last() -> None:
    frame = b'event: progress\ndata: {"current_node":"1","step":9,"steps":8}\n\n'
    assert await told(frame) == [Stepped("1", 1.0)]
