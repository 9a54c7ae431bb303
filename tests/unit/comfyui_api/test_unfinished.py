"""Previews: small, rare, and never worth a job."""

import asyncio
import base64
import io

import pytest
from PIL import Image

from short_drama.comfyui_api.server.events import Previewed
from short_drama.comfyui_api.unfinished import PreviewReporter, data_url
from short_drama.domain.errors import ImageRejected
from short_drama.domain.kinds import KINDS
from short_drama.images.labels import Label, SourceType
from short_drama.jobs.job import Job, JobOrder
from tests.patience import SOON

LABEL = Label.of_job(SourceType.TRAINED, engine="comfyui", kind="camera-angle", job_id="j")


def preview(width: int = 512, height: int = 288, image_format: str = "JPEG") -> Previewed:
    buffer = io.BytesIO()
    Image.effect_noise((width, height), 90).convert("RGB").save(buffer, image_format)
    return Previewed("p", f"image/{image_format.lower()}", buffer.getvalue())


def a_job() -> Job:
    request = KINDS["camera-angle"].request.model_construct()
    return Job(JobOrder(kind="camera-angle", request=request, key="k", created_at=0.0), "j")


@pytest.mark.parametrize("image_format", ["JPEG", "PNG"])
def test_a_preview_becomes_a_small_jpeg(image_format: str) -> None:
    url = data_url(preview(image_format=image_format), LABEL)
    picture = Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2])))
    assert picture.size == (256, 144)
    assert len(url) < 64 * 1024  # of pure noise, the worst there is


@pytest.mark.parametrize(
    "broken",
    [
        Previewed("p", "image/jpeg", b"no image"),
        Previewed("p", "image/jpeg", preview().data[:300]),
        preview(5000, 200),
    ],
    ids=["no image", "cut off", "too long"],
)
async def test_what_cannot_be_shown_is_left_out(broken: Previewed) -> None:
    with pytest.raises(ImageRejected):
        data_url(broken, LABEL)
    job = a_job()
    reporter = PreviewReporter(job, LABEL)
    reporter.take(broken)
    await asyncio.sleep(0.2)
    assert (job.preview, job.status) == (None, "pending")


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


async def shown(job: Job) -> str:
    async with asyncio.timeout(SOON):
        while job.preview is None:
            await job.changed()
    return job.preview


async def test_one_a_second_is_shown_and_none_after_the_end() -> None:
    job, clock = a_job(), Clock()
    reporter = PreviewReporter(job, LABEL, clock=clock)
    reporter.take(preview())
    first, version = await shown(job), job.version
    reporter.take(preview(500, 300))  # too early
    await asyncio.sleep(0.1)
    assert (job.preview, job.version) == (first, version)
    clock.now = 1.0
    reporter.take(preview(500, 300))
    await job.changed()
    assert job.preview != first
    clock.now = 2.0
    reporter.take(preview(400, 300))
    await reporter.end()
    assert job.preview is None
    await asyncio.sleep(0.1)
    assert job.preview is None
