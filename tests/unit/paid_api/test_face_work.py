"""The face kinds on the local engine: when it is ready, and when a cancelled one has ended."""

import asyncio
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

from short_drama.domain.errors import EngineNotReady
from short_drama.domain.kinds import KINDS
from short_drama.images.colour import Pixels
from short_drama.images.sources import ImageSources
from short_drama.images.subject import MODEL as SUBJECTS
from short_drama.jobs.job import Job, JobOrder, SelfChecking, Work
from short_drama.paid_api.detectors import LocalDetector
from short_drama.paid_api.face_work import Pipeline, face_works
from short_drama.paid_api.generators import LocalGenerator
from short_drama.paid_api.local_faces import LocalFace, LocalFaces, Swapped
from short_drama.paid_api.local_faces.detect import MODEL as DETECTOR
from short_drama.paid_api.local_faces.landmarks import MODEL as LANDMARKS
from short_drama.paid_api.paying.budgets import Budgets
from tests.patience import SOON
from tests.protocol.memory import MemoryAssets, MemoryLedger
from tests.samples import NOW

STILL = np.zeros((8, 8, 3), np.uint8)
PREPARED: dict[str, Any] = {
    "face-mask": STILL,
    "face-swap": (STILL, STILL),
    "full-face-swap": (STILL, STILL),
}


def works(faces: LocalFaces) -> Mapping[str, Work[Any, Any]]:
    """The local engine's, over nothing they need before they publish."""
    return face_works(
        Pipeline(
            detector=LocalDetector(faces),
            generator=LocalGenerator(faces),
            sources=cast("ImageSources", None),
            assets=MemoryAssets(),
            budgets=Budgets(MemoryLedger(), per_day=None, per_label={}),
        )
    )


class SlowFaces(LocalFaces):
    """Computes until it is let go."""

    def __init__(self) -> None:
        self.started, self.free, self.ended = (threading.Event() for _ in range(3))

    def find(self, image: Pixels) -> list[LocalFace]:
        self._compute()
        return []

    def fill(self, *given: object) -> Swapped:
        self._compute()
        raise AssertionError("nobody asks for it any more")

    def _compute(self) -> None:
        self.started.set()
        self.free.wait(10)
        self.ended.set()


@pytest.fixture
def faces() -> Iterator[SlowFaces]:
    faces = SlowFaces()
    yield faces
    faces.free.set()


@pytest.mark.parametrize("kind", PREPARED)
async def test_a_cancelled_make_returns_when_its_thread_has_ended(
    kind: str, faces: SlowFaces
) -> None:
    example = dict.fromkeys(KINDS[kind].image_fields, "asset:k")
    request = KINDS[kind].request.model_validate(example)
    job = Job(JobOrder(kind=kind, request=request, key="k", created_at=NOW), "j")
    making = asyncio.create_task(works(faces)[kind].make(job, PREPARED[kind]))
    assert await asyncio.to_thread(faces.started.wait, 10)
    making.cancel()
    done, _ = await asyncio.wait([making], timeout=0.05)
    assert not done
    faces.free.set()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(making, SOON)
    assert faces.ended.is_set()


async def ready(folder: Path) -> list[bool]:
    """Of each kind."""
    return [await is_ready(work) for work in works(LocalFaces(folder)).values()]


async def is_ready(work: object) -> bool:
    assert isinstance(work, SelfChecking)
    try:
        await work.check()
    except EngineNotReady:
        return False
    return True


async def test_the_works_are_ready_once_every_file_is_there(tmp_path: Path) -> None:
    assert await ready(tmp_path) == [False] * 3
    for name in (DETECTOR, LANDMARKS, SUBJECTS):
        assert await ready(tmp_path) == [False] * 3
        (tmp_path / name).touch()
    assert await ready(tmp_path) == [True] * 3
    (tmp_path / DETECTOR).unlink()
    assert await ready(tmp_path) == [False] * 3
