"""Tasks and pictures for tests."""

import io
from typing import Any

import numpy as np
from PIL import Image

from short_drama.domain.characters import Character, Consent, Face
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


def a_consent(**changes: Any) -> Consent:
    """Of a person who agreed to everything."""
    members = {"subject": "Lin Wei", "recorded_by": "casting", "recorded_at": NOW}
    return Consent(**{"consent_id": "consent-1", **members, **changes})


def a_character(**changes: Any) -> Character:
    """The local owner's lin, with a face and a consent."""
    key = "faces/local/lin/0.png"
    face = Face(key=key, sha256="0" * 64, width=384, height=288, upload="uploads/local/a.png")
    members: dict[str, Any] = {
        "owner": "local",
        "name": "lin",
        "title": "林薇",
        "created_at": NOW,
        "updated_at": NOW,
        "faces": (face,),
        "portraits": {"seedance": "asset-20260401"},
        "consents": (a_consent(),),
    }
    return Character(**{**members, **changes})


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
