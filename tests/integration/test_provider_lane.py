"""The face kinds on simulated providers: what comes out, what it costs, and what goes wrong."""

import asyncio
import contextlib
import io
import json
import math
import re
import time
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from short_drama.backends.embedded.asset_store import EmbeddedAssetStore
from short_drama.images.codec import decode
from short_drama.images.labels import SourceType
from short_drama.sdk.errors import ApiError
from short_drama.sdk.models import Accepted
from tests.integration.comfyui_stage import until
from tests.integration.provider_stage import (
    FULL,
    HEIGHT,
    MASK,
    SWAP,
    WIDTH,
    ProviderStage,
    provider_stage,
    simulated,
)
from tests.simulators.qwen_vl import QwenVLSimulator
from tests.simulators.seedream import SeeDreamSimulator

KEPT = r"images/face_swap/\d{8}T\d{6}Z_[0-9a-f-]{36}\.png"
QWEN_USD, SEEDREAM_USD = 0.001, 0.03
"""A detection costs less than this, a picture exactly that."""


def black(data: bytes) -> NDArray[np.bool_]:
    pixels = np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))
    return np.asarray((pixels == 0).all(axis=-1))


# --- What comes out -----------------------------------------------------------------------


async def test_a_mask_covers_the_face_that_is_meant(tmp_path: Path) -> None:
    async with simulated(tmp_path) as stage:
        stage.qwen.faces = [(600, 200, 700, 400), (100, 300, 250, 600)]
        task = await stage.done(MASK, face_index=1)
        assert task.engine == "qwen3-vl"
        assert task.provenance is not None
        assert task.provenance["faces_found"] == 2
        data = await stage.bytes_of(task.result_url)
        assert Image.open(io.BytesIO(data)).format == "PNG"
        mask = black(data)
        left, right = round(0.6 * WIDTH), round(0.7 * WIDTH)
        top, bottom = round(0.2 * HEIGHT), round(0.4 * HEIGHT)
        assert mask[top:bottom, left:right].all()  # all of the box
        wanted = math.pi / 2 * (right - left) * (bottom - top)  # of the ellipse around it
        assert mask.sum() == pytest.approx(wanted, rel=0.05)


async def test_words_choose_a_face(tmp_path: Path) -> None:
    async with simulated(tmp_path) as stage:
        stage.qwen.faces = [(600, 200, 700, 400), (100, 300, 250, 600)]
        stage.qwen.chosen = 0
        task = await stage.done(MASK, face_position_prompt="the woman by the window")
        assert task.provenance is not None
        assert task.provenance["face_index"] == 1  # from the left
        stage.qwen.chosen = None
        failed = await stage.task(MASK, face_position_prompt="the third man")
        assert failed.error is not None
        assert (failed.error.code, failed.error.field) == (
            "face_index_out_of_range",
            "face_position_prompt",
        )


async def test_a_full_swap_keeps_its_mask_and_the_stills_size(tmp_path: Path) -> None:
    async with simulated(tmp_path) as stage:
        task = await stage.done(FULL)
        assert task.engine == "qwen3-vl+seedream"
        assert task.provenance is not None
        assert re.fullmatch(KEPT, task.provenance["result_key"])
        data = await stage.bytes_of(task.result_url)
        picture = Image.open(io.BytesIO(data))
        assert (picture.format, picture.size) == ("PNG", (WIDTH, HEIGHT))
        label = decode(data).label
        assert label is not None
        assert label.source == SourceType.COMPOSITE_WITH_TRAINED
        assert re.fullmatch(KEPT, task.provenance["mask_key"])
        assert black(await stage.bytes_of(task.provenance["mask_url"])).any()
        sent = stage.seedream.bodies[-1]
        assert len(sent["image"]) == 2
        assert sent["watermark"] is False
        assert "black" in sent["prompt"]


async def test_a_size_and_a_prompt_are_the_artists(tmp_path: Path) -> None:
    async with simulated(tmp_path) as stage:
        task = await stage.done(SWAP, size="1280x960", prompt="Put her face there, smiling.")
        picture = Image.open(io.BytesIO(await stage.bytes_of(task.result_url)))
        assert picture.size == (1280, 960)
        assert stage.seedream.bodies[-1]["prompt"] == "Put her face there, smiling."


@pytest.mark.parametrize("failure", ["wrong-size", "wrong-aspect"])
async def test_a_picture_of_another_size_is_fitted(tmp_path: Path, failure: str) -> None:
    async with simulated(tmp_path) as stage:
        stage.seedream.failures.turn_on(failure)
        task = await stage.done(SWAP)
        picture = Image.open(io.BytesIO(await stage.bytes_of(task.result_url)))
        assert picture.size == (WIDTH, HEIGHT)


async def test_no_face_is_said(tmp_path: Path) -> None:
    async with simulated(tmp_path) as stage:
        stage.qwen.faces = []
        task = await stage.task(FULL)
        assert task.error is not None
        assert (task.error.code, task.error.field) == ("no_face_found", "source_image_url")
        assert len(stage.seedream.calls) == 0


# --- What it costs ------------------------------------------------------------------------


async def test_every_call_is_in_the_bill(tmp_path: Path) -> None:
    async with simulated(tmp_path) as stage:
        task = await stage.done(FULL)
        assert task.cost is not None
        qwen, seedream = task.cost["calls"]
        assert (qwen["provider"], seedream["provider"]) == ("qwen3-vl", "seedream")
        assert 0 < qwen["usd"] < QWEN_USD
        assert seedream["usd"] == SEEDREAM_USD
        assert task.cost["usd"] == pytest.approx(qwen["usd"] + SEEDREAM_USD)
        assert seedream["request_id"]
        assert seedream["state"] == "paid"
        assert task.cost["maybe_usd"] == 0.0


async def test_the_same_request_may_be_answered_from_the_earlier_result(tmp_path: Path) -> None:
    async with simulated(tmp_path) as stage:
        first = await stage.done(SWAP)
        again = await stage.done(SWAP, reuse=True)
        assert (len(stage.seedream.calls), again.cost) == (
            1,
            {"usd": 0.0, "maybe_usd": 0.0, "calls": []},
        )
        assert first.result_url != again.result_url
        await stage.done(SWAP)  # nobody allowed it
        await stage.done(SWAP, reuse=True, prompt="something else")
        assert len(stage.seedream.calls) == 3


async def test_a_budget_refuses_before_anything_is_spent(tmp_path: Path) -> None:
    async with simulated(tmp_path, budget_per_day_usd=0.07) as stage:
        await stage.done(SWAP)
        await stage.done(SWAP)
        with pytest.raises(ApiError) as refused:
            await stage.submit(SWAP)
        assert refused.value.problem.status == 402
        assert refused.value.code == "budget_exceeded"
        assert "0.07 USD" in refused.value.problem.detail
        await stage.done(MASK)  # costs a tenth of a cent
        assert len(stage.seedream.calls) == 2


async def test_a_label_has_a_budget_of_its_own(tmp_path: Path) -> None:
    limits = {"show=Nightfall": 0.04, "episode=*": 0.04}
    async with simulated(tmp_path, budget_per_label_usd=limits) as stage:
        await stage.done(SWAP, labels={"show": "Nightfall"})
        with pytest.raises(ApiError, match="show=Nightfall"):
            await stage.submit(SWAP, labels={"show": "Nightfall"})
        await stage.done(SWAP, labels={"show": "Daybreak"})
        await stage.done(SWAP, labels={"episode": "1"})
        await stage.done(SWAP, labels={"episode": "2"})
        with pytest.raises(ApiError, match="episode=2"):
            await stage.submit(SWAP, labels={"episode": "2"})


async def test_what_is_accepted_can_be_paid(tmp_path: Path) -> None:
    """Ten tasks at 0.03 USD, where 0.10 may be spent."""
    async with simulated(tmp_path, latency=0.1, budget_per_day_usd=0.1) as stage:
        submits = (stage.submit(SWAP) for _ in range(10))
        answers = await asyncio.gather(*submits, return_exceptions=True)
        accepted = [answer for answer in answers if isinstance(answer, Accepted)]
        refused = [answer for answer in answers if isinstance(answer, ApiError)]
        assert (len(accepted), len(refused)) == (3, 7)
        assert {refusal.problem.status for refusal in refused} == {402}
        await stage.all_done(accepted)
        assert stage.seedream.charged == 3


async def test_what_costs_nothing_is_accepted_beyond_the_budget(tmp_path: Path) -> None:
    async with simulated(tmp_path, budget_per_month_usd=0.03) as stage:
        await stage.done(SWAP, prompt="a")
        for body in ({"prompt": "a"}, {"prompt": "b", "reuse": True}):
            with pytest.raises(ApiError, match=r"0\.03 USD"):
                await stage.submit(SWAP, **body)
        again = await stage.done(SWAP, prompt="a", reuse=True)
        assert (again.provenance or {})["reused"]
        assert stage.seedream.charged == 1


async def test_what_a_cancelled_task_has_not_spent_is_given_back(tmp_path: Path) -> None:
    async with simulated(tmp_path, budget_per_day_usd=0.03) as stage:
        stage.seedream.failures.turn_on("InternalServiceError", True)
        first = await stage.submit(SWAP)
        with pytest.raises(ApiError, match="budget"):
            await stage.submit(SWAP)
        await stage.client.cancel(first.task_id)
        stage.seedream.failures.turn_on("InternalServiceError", 0)
        second = await _accepted(stage)
        assert (await stage.ended(second)).status == "completed"


async def _accepted(stage: ProviderStage) -> Accepted:
    """As soon as the budget has room for it."""
    for _ in range(2000):
        with contextlib.suppress(ApiError):
            return await stage.submit(SWAP)
        await asyncio.sleep(0.05)
    raise AssertionError("what was held is not given back")


# --- Calls that fail ----------------------------------------------------------------------


@pytest.mark.parametrize("ending", ["hang", "reset", "truncated", "html-502-charged", "json-503"])
async def test_a_call_without_an_answer_is_repeated_once(tmp_path: Path, ending: str) -> None:
    async with simulated(tmp_path, seedream_read_seconds=1.0) as stage:
        stage.seedream.failures.turn_on(ending)
        task = await stage.done(FULL)
        assert stage.seedream.charged == 2
        assert task.cost is not None
        assert (task.cost["maybe_usd"], task.cost["calls"][1]["state"]) == (SEEDREAM_USD, "unknown")
        assert task.cost["usd"] == pytest.approx(SEEDREAM_USD, abs=QWEN_USD)
        assert len(stage.qwen.calls) == 1  # what was paid for is not paid for again


async def test_a_key_goes_nowhere_else(tmp_path: Path) -> None:
    async with simulated(tmp_path) as stage:
        stage.seedream.failures.turn_on("redirect-307", True)
        task = await stage.submit(SWAP)
        told = await stage.until_unready(SWAP)
        assert "redirect" in told["reason"]
        assert (await stage.client.get(task.task_id)).status in ("pending", "processing")
        assert (len(stage.seedream.calls), stage.seedream.elsewhere.visits) == (1, 0)


async def test_after_two_calls_without_an_answer_no_more_is_spent(tmp_path: Path) -> None:
    async with simulated(tmp_path) as stage:
        stage.seedream.failures.turn_on("reset", True)
        task = await stage.task(FULL)
        assert task.error is not None
        assert (task.status, task.error.code) == ("failed", "engine_failed")
        assert "cut off twice" in task.error.message
        assert stage.seedream.charged == 2


async def test_a_retry_pays_only_for_what_is_missing(tmp_path: Path) -> None:
    async with simulated(tmp_path) as stage:
        stage.seedream.failures.turn_on("InternalServiceError", 2)
        task = await stage.done(FULL)
        assert (len(stage.qwen.calls), stage.seedream.charged) == (1, 1)
        assert task.attempts == 3


async def test_an_answer_that_cannot_be_read_is_asked_for_again(tmp_path: Path) -> None:
    async with simulated(tmp_path) as stage:
        stage.qwen.script.append("I am sorry, I see no JSON.")
        task = await stage.done(MASK)
        assert task.cost is not None
        assert (len(stage.qwen.calls), len(task.cost["calls"])) == (2, 2)
        *_, useless, again = stage.qwen.bodies[-1]["messages"]
        assert useless == {"role": "assistant", "content": "I am sorry, I see no JSON."}
        assert "could not be used" in again["content"]
        stage.qwen.script.extend(["no", '{"faces":[{"bbox_2d":[0,0,1000,1000]}]}'])
        failed = await stage.task(MASK)
        assert failed.error is not None
        assert (failed.status, failed.error.code) == ("failed", "engine_failed")
        assert "Qwen3-VL gave no answer that can be used" in failed.error.message
        assert "is the whole picture" in failed.error.message
        assert "picture" not in str(failed.error.fix)  # it is not the picture's fault


@pytest.mark.parametrize(
    "answer",
    [
        '{"faces":[{"bbox_2d":[100,200,200,500]},]}',
        "{'faces': [{'x1': 100, 'y1': 200, 'x2': 200, 'y2': 500}]}",
        '{"faces":[{"bbox_2d":[0.1,0.2,0.2,0.5]}]}',
    ],
)
async def test_an_answer_that_is_not_quite_json_is_read(tmp_path: Path, answer: str) -> None:
    async with simulated(tmp_path) as stage:
        stage.qwen.script.append(answer)
        task = await stage.done(MASK)
        assert len(stage.qwen.calls) == 1
        mask = black(await stage.bytes_of(task.result_url))
        assert mask[HEIGHT * 2 // 10 : HEIGHT * 5 // 10, WIDTH // 10 : WIDTH * 2 // 10].all()


async def test_a_model_that_counts_pixels(tmp_path: Path) -> None:
    async with simulated(tmp_path, qwen_model="qwen2.5-vl-72b-instruct") as stage:
        stage.qwen.faces = [(600, 200, 700, 400)]
        mask = black(await stage.bytes_of((await stage.done(MASK)).result_url))
        down, across = mask.nonzero()
        assert (down.mean() / HEIGHT, across.mean() / WIDTH) == pytest.approx((0.3, 0.65), abs=0.01)


async def test_an_answer_that_breaks_off_overlooks_nobody(tmp_path: Path) -> None:
    async with simulated(tmp_path) as stage:
        stage.qwen.faces = [(100, 100, 200, 300), (400, 100, 500, 300), (700, 100, 800, 300)]
        stage.qwen.failures.turn_on("length")
        task = await stage.done(MASK, face_index=2)
        assert task.provenance is not None
        assert task.provenance["faces_found"] == 3
        stage.qwen.failures.turn_on("length", 2)
        failed = await stage.task(MASK)
        assert failed.error is not None
        assert "breaks off" in failed.error.message


async def test_an_answer_without_usage_is_charged_at_its_most(tmp_path: Path) -> None:
    async with simulated(tmp_path) as stage:
        stage.qwen.failures.turn_on("no-usage")
        task = await stage.done(MASK)
        assert task.cost is not None
        assert task.cost["calls"][0]["estimated"]
        assert task.cost["usd"] > 0.001


async def test_content_that_is_refused_is_the_artists_matter(tmp_path: Path) -> None:
    async with simulated(tmp_path) as stage:
        stage.seedream.failures.turn_on("InputImageSensitiveContentDetected")
        task = await stage.task(SWAP)
        assert task.error is not None
        assert (task.error.code, task.attempts) == ("content_refused", 1)
        assert "InputImageSensitiveContentDetected" in task.error.message


async def test_throttling_costs_no_attempt(tmp_path: Path) -> None:
    async with simulated(tmp_path) as stage:
        stage.seedream.failures.retry_after = 0.5
        stage.seedream.failures.turn_on("ModelAccountIpmRateLimitExceeded", 6)
        started = time.monotonic()
        await stage.done(SWAP)  # more often than there are attempts
        assert time.monotonic() - started > 2.5
        times = [call.started for call in stage.seedream.calls]
        assert min(later - earlier for earlier, later in pairwise(times)) >= 0.45


async def test_an_overdue_bill_pauses_what_it_is_about(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with simulated(tmp_path) as stage:
        stage.seedream.failures.turn_on("AccountOverdueError", True)
        tasks = [await stage.submit(SWAP) for _ in range(3)]
        await until(lambda: stage.seedream.calls)
        assert "AccountOverdueError" in (await stage.until_unready(SWAP))["reason"]
        await stage.done(MASK)  # which needs nobody's bill to be paid
        assert len(stage.seedream.calls) <= 3
        assert {(await stage.client.get(task.task_id)).status for task in tasks} <= {
            "pending", "processing",
        }  # fmt: skip
        assert [record.levelname for record in caplog.records].count("ERROR") == 1


# --- Many at once -------------------------------------------------------------------------


async def test_as_many_are_in_flight_as_the_provider_allows(tmp_path: Path) -> None:
    async with (
        QwenVLSimulator() as qwen,
        SeeDreamSimulator(latency=1.0, in_flight=8) as seedream,
        provider_stage(tmp_path, qwen, seedream, seedream_in_flight=8) as stage,
    ):
        tasks = [await stage.submit(SWAP) for _ in range(20)]
        await stage.all_done(tasks)
        assert seedream.most_in_flight == 8
        assert len(seedream.calls) == 20  # none was refused


# --- Cancelling ---------------------------------------------------------------------------


async def test_a_cancelled_task_spends_nothing_more(tmp_path: Path) -> None:
    async with (
        QwenVLSimulator() as qwen,
        SeeDreamSimulator(latency=1.0) as seedream,
        provider_stage(tmp_path, qwen, seedream, seedream_in_flight=1) as stage,
    ):
        first, second = await stage.submit(SWAP), await stage.submit(SWAP)
        await until(lambda: seedream.calls)
        await asyncio.sleep(0.3)
        for task in (second, first):
            await stage.client.cancel(task.task_id)
        await asyncio.sleep(1.5)
        assert len(seedream.calls) == 1  # that of the one that was in flight
        kept = {path.name for path in (tmp_path / "assets" / "files" / "jobs").rglob("*.json")}
        assert kept == {"generate.1.answered.json"}
        await stage.done(SWAP)  # and its place is free again


async def test_a_task_that_is_cancelled_between_its_steps_makes_no_picture(tmp_path: Path) -> None:
    async with (
        QwenVLSimulator(latency=0.8) as qwen,
        SeeDreamSimulator() as seedream,
        provider_stage(tmp_path, qwen, seedream) as stage,
    ):
        task = await stage.submit(FULL)
        await until(lambda: qwen.calls)
        await stage.client.cancel(task.task_id)
        await asyncio.sleep(1.5)
        assert (len(qwen.calls), len(seedream.calls)) == (1, 0)


# --- Steps that are mixed -----------------------------------------------------------------


async def test_the_provider_finds_and_the_local_engine_fills(tmp_path: Path) -> None:
    async with simulated(tmp_path, face_generator="local") as stage:
        task = await stage.done(MASK)
        assert task.engine == "qwen3-vl"
        refused = await stage.task(FULL, prompt="smiling")
        assert refused.error is not None
        assert (refused.error.code, refused.error.field) == ("request_unsupported", "prompt")
        assert (len(stage.qwen.calls), len(stage.seedream.calls)) == (1, 0)


async def test_nothing_is_paid_for_a_size_that_cannot_be_made(tmp_path: Path) -> None:
    async with simulated(tmp_path) as stage:
        refused = await stage.task(FULL, size="600x400")
        assert refused.error is not None
        assert (refused.error.code, refused.error.field) == ("invalid_request", "size")
        assert len(stage.qwen.calls) == 0


async def test_no_key_no_picture_and_no_prompt_is_left_behind(tmp_path: Path) -> None:
    async with simulated(tmp_path) as stage:
        task = await stage.done(FULL, prompt="a secret wish")
        root = tmp_path / "assets"
        assets = EmbeddedAssetStore(root, public_url="")
        notes = list((root / "files" / "jobs").rglob("*.json"))
        assert notes
        for path in notes:
            for secret in (stage.qwen.key, stage.seedream.key, "a secret wish"):
                assert secret.encode() not in path.read_bytes()
            json.loads(await assets.get(path.relative_to(root / "files").as_posix()))
        async with stage.stack.http.get(
            f"{stage.stack.gpu}/assets/jobs/{task.task_id}/detect.1.answered.json"
        ) as a:
            assert a.status == 404
