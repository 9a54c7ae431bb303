"""Tasks and pictures for tests."""

import io
from typing import Any

import numpy as np
from PIL import Image

from short_drama.domain.kinds import KINDS
from short_drama.domain.sizes import Size
from short_drama.domain.task import Task
from short_drama.paid_api.paying.answers import Answered

NOW = 1_000_000.0


def a_task(task_id: str = "t1", **changes: Any) -> Task:
    """A pending camera-angle task of the local owner, created at NOW; the lane is the kind's."""
    members: dict[str, Any] = {
        "task_id": task_id,
        "kind": "camera-angle",
        "owner": "local",
        "request": {"image_url": "asset:uploads/local/a.png", "zoom": 1},
        "request_hash": "0" * 64,
        "created_at": NOW,
        "updated_at": NOW,
    }
    members |= changes
    members.setdefault("lane", KINDS.get(members["kind"], KINDS["camera-angle"]).lane)
    return Task(**members)


def an_answer(micros: int, **changes: Any) -> Answered:
    members = {"at": NOW, "estimated": False, "request_id": "r1", "answer": {}}
    return Answered(**{**members, "micros": micros, **changes})


def noise(seed: int) -> bytes:
    """A PNG of about 0.7 MiB."""
    pixels = np.random.default_rng(seed).integers(0, 256, (480, 512, 3), np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


PNG_SIZE = Size(384, 288)


def png(
    width: int = PNG_SIZE.width,
    height: int = PNG_SIZE.height,
    colour: tuple[int, int, int] = (200, 120, 40),
) -> bytes:
    """Of one colour; large enough for every kind unless a side is given."""
    buffer = io.BytesIO()
    Image.new("RGB", (width, height), colour).save(buffer, "PNG")
    return buffer.getvalue()
