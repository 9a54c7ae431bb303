"""The socket's frames, as ComfyUI sends them."""

import json
import math
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from short_drama.comfyui_api.server.events import (
    Ended,
    Previewed,
    Progressed,
    Started,
    read_binary,
    read_text,
)


def text(kind: str, **data: object) -> str:
    return json.dumps({"type": kind, "data": data})


@pytest.mark.parametrize(
    ("frame", "event"),
    [
        (text("execution_start", prompt_id="p", timestamp=1), Started("p")),
        (text("executing", node="8", display_node="8", prompt_id="p"), Progressed("p", "8")),
        (text("progress", value=2, max=8, prompt_id="p", node="8"), Progressed("p", "8", 0.25)),
        (text("progress", value=9, max=8, prompt_id="p", node="8"), Progressed("p", "8", 1.0)),
        (text("progress", value=1, max=0, prompt_id="p", node="8"), None),
        (text("progress", value=math.nan, max=8, prompt_id="p", node="8"), None),
        (text("progress", value=1, max=math.inf, prompt_id="p", node="8"), None),
        (text("execution_success", prompt_id="p", timestamp=1), Ended("p")),
        (text("execution_error", prompt_id="p", node_id="8"), Ended("p")),
        (text("execution_interrupted", prompt_id="p", node_id="8"), Ended("p")),
        (text("executing", node=None, prompt_id="p"), Ended("p")),
        (text("execution_cached", nodes=[], prompt_id="p"), None),
        (text("executing", node="14"), None),  # after a reconnect: of nobody
        (text("status", status={"exec_info": {"queue_remaining": 0}}, sid="s"), None),
        (text("something_new", prompt_id="p"), None),
        ('{"type": "progress"}', None),
        ('{"type": "progress", "data": []}', None),
        ("[]", None),
        ("not json", None),
    ],
)
def test_text_frames(frame: str, event: object) -> None:
    assert read_text(frame) == event


def preview(event: int, told: object, picture: bytes) -> bytes:
    head = json.dumps(told).encode()
    return struct.pack(">II", event, len(head)) + head + picture


def test_a_preview_says_whose_it_is() -> None:
    told = {"prompt_id": "p", "node_id": "8", "image_type": "image/jpeg"}
    assert read_binary(preview(4, told, b"\xff\xd8")) == Previewed("p", "image/jpeg", b"\xff\xd8")


@pytest.mark.parametrize(
    "frame",
    [
        b"",
        b"\0\0\0\x01\0\0\0\x01\xff\xd8\xff",  # an older preview, of nobody
        preview(4, {"image_type": "image/jpeg"}, b"x"),
        preview(4, [], b"x"),
        b"\0\0\0\x04\0\0\0\x04nope",
    ],
)
def test_frames_that_say_not_whose_they_are(frame: bytes) -> None:
    assert read_binary(frame) is None


@given(st.text(max_size=50), st.binary(max_size=50))
def test_no_frame_stops_the_reader(frame: str, binary: bytes) -> None:
    read_text(frame)
    read_binary(binary)
