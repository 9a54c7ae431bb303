"""Several faces of one still: a chain whose paid steps are remembered."""

from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np
import pytest

from short_drama.domain.errors import ContentRefused, FaceIndexOutOfRange, FaceUnclear
from short_drama.domain.kinds import FullFaceSwapRequest
from short_drama.images.colour import Pixels
from short_drama.images.labels import SourceType
from short_drama.images.sources import ImageSources
from short_drama.jobs.job import Job, JobOrder
from short_drama.paid_api.cast_work import Cast, CastWork, Played
from short_drama.paid_api.detectors import FoundFaces, Wanted
from short_drama.paid_api.face_swap import Face, FaceBox, around
from short_drama.paid_api.face_work import Pipeline
from short_drama.paid_api.generators import Order, SwappedStill
from short_drama.paid_api.paying.steps import Steps
from tests.samples import NOW
from tests.unit.paid_api.paying.paid_steps import PAID, Shop, in_virtual_time, step

STILL = np.full((40, 90, 3), 200, np.uint8)
BOXES = [FaceBox(10 + 30 * number, 10, 20 + 30 * number, 24) for number in range(3)]


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Virtual time knows no threads."""

    async def here(work: Any, *given: Any, **named: Any) -> Any:
        return work(*given, **named)

    monkeypatch.setattr("short_drama.paid_api.cast_work.in_thread", here)


class Killed(BaseException):
    """Nobody is left to tidy up."""


class Three:
    """Finds three faces, in one paid step."""

    name, paid = "three", True

    def check(self) -> None: ...

    async def find(self, picture: Pixels, wanted: Wanted, steps: Steps) -> FoundFaces:
        async def ask() -> int:
            return 3

        await steps.run(step("detect", ask))
        return FoundFaces([Face(box, around(box)) for box in BOXES], wanted.index)


@dataclass
class Painter:
    """Fills the face with the actor's colour, in a paid step; `trouble` comes instead, once."""

    trouble: dict[str, BaseException] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    orders: list[Order] = field(default_factory=list)
    name, paid, model = "painter", True, None
    source_type = SourceType.COMPOSITE_CAPTURE

    def check(self) -> None: ...

    def check_request(self, prompt: str | None, size: str) -> None: ...

    async def fill(self, order: Order, steps: Steps) -> SwappedStill:
        raise AssertionError("the still is known")

    async def swap(self, still: Pixels, face: Face, order: Order, steps: Steps) -> SwappedStill:
        async def ask() -> int:
            if trouble := self.trouble.pop(order.step, None):
                raise trouble
            self.asked.append(order.step)
            return 1

        self.orders.append(order)
        if isinstance(self.trouble.get(order.step), Killed):
            raise self.trouble.pop(order.step)
        await steps.run(step(order.step, ask))
        image, box = still.copy(), face.box
        image[box.top : box.bottom, box.left : box.right] = order.actor[0, 0]
        return SwappedStill(image=image, ellipse=face.ellipse, warnings=(f"made of {order.step}",))


@dataclass
class Stage:
    painter: Painter = field(default_factory=Painter)
    shop: Shop = field(default_factory=Shop)

    def work(self) -> CastWork:
        return CastWork(
            Pipeline(
                detector=Three(),
                generator=self.painter,
                sources=cast("ImageSources", None),
                assets=self.shop.assets,
                budgets=self.shop.budgets(),
            )
        )

    async def made(self, *numbers: int, job: Job | None = None) -> Played:
        actors = {one: np.full((4, 4, 3), 10 + one, np.uint8) for one in sorted(numbers)}
        return await self.work().make(job or a_job(*numbers), Cast(STILL, actors))


def a_job(*numbers: int) -> Job:
    request = FullFaceSwapRequest(
        source_image_url="asset:uploads/s",
        cast={str(one): f"asset:uploads/{one}" for one in numbers},
    )
    return Job(JobOrder(kind="full-face-swap", request=request, key="t1", created_at=NOW), "j1")


def colours(image: Pixels) -> list[int]:
    """In the middle of each face."""
    return [int(image[round(y), round(x), 0]) for x, y in (box.centre for box in BOXES)]


@in_virtual_time
async def test_each_face_is_swapped_in_what_the_one_before_has_made() -> None:
    stage = Stage()
    made = await stage.made(2, 0)
    assert colours(made.image) == [10, 200, 12]
    first, second = stage.painter.orders
    assert (first.step, second.step) == ("generate-0", "generate-2")
    assert (first.fields[1], second.fields[1]) == ("cast.0", "cast.2")
    assert first.is_part
    assert colours(first.masked) == [0, 200, 200]
    assert colours(second.masked) == [10, 200, 0]


@in_virtual_time
async def test_a_kill_between_two_faces_pays_for_none_twice() -> None:
    stage = Stage(Painter({"generate-1": Killed()}))
    with pytest.raises(Killed):
        await stage.made(0, 1, 2)
    assert stage.painter.asked == ["generate-0"]
    made = await stage.made(0, 1, 2)
    assert colours(made.image) == [10, 11, 12]
    assert stage.painter.asked == ["generate-0", "generate-1", "generate-2"]
    paid = [call.step for call in stage.shop.calls() if call.state is PAID]
    assert sorted(paid) == ["detect", "generate-0", "generate-1", "generate-2"]


@in_virtual_time
async def test_what_goes_wrong_with_one_face_says_which() -> None:
    for trouble in (
        ContentRefused("the provider refuses this picture"),
        FaceUnclear("it is turned away", field="target_face_url"),
    ):
        stage = Stage(Painter({"generate-1": trouble}))
        with pytest.raises(type(trouble)) as caught:
            await stage.made(0, 1)
        assert caught.value.detail.startswith("face 1: ")
        assert caught.value.field == "cast.1"


@in_virtual_time
async def test_a_face_there_is_not_costs_no_picture() -> None:
    stage = Stage()
    with pytest.raises(FaceIndexOutOfRange) as caught:
        await stage.made(1, 3)
    assert caught.value.field == "cast.3"
    assert "3 faces were found" in caught.value.detail
    assert [call.step for call in stage.shop.calls()] == ["detect"]


@in_virtual_time
async def test_whoever_follows_it_is_told_which_face_it_is() -> None:
    stage, job, told = Stage(), a_job(0, 2), list[tuple[str, float]]()
    job.on_move = lambda: told.append((job.stage, job.progress))
    await stage.made(0, 2, job=job)
    stages = [name for name, _ in told if name.startswith("face")]
    assert list(dict.fromkeys(stages)) == ["face 0", "face 2"]
    assert job.progress == pytest.approx(0.55)


async def test_the_record_tells_of_each_face() -> None:
    stage, job = Stage(), a_job(0, 2)
    outcome = await stage.work().publish(job, await stage.made(0, 2, job=job))
    details: dict[str, Any] = dict(outcome.details)
    assert [(one["face"], "ellipse" in one) for one in details["cast"]] == [(0, True), (2, True)]
    assert details["faces_found"] == 3
    assert details["warnings"] == ["face 0: made of generate-0", "face 2: made of generate-2"]
    assert outcome.result_key in stage.shop.assets.assets
