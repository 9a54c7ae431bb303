"""What was paid for is kept, and every ending says what it cost, over real HTTP."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from short_drama.backends.embedded.asset_store import EmbeddedAssetStore
from short_drama.backends.embedded.database import Database
from short_drama.backends.embedded.spend_ledger import EmbeddedSpendLedger
from short_drama.domain.errors import Unavailable
from short_drama.domain.spending import CallState, TaskSpend
from short_drama.paid_api import generators
from short_drama.paid_api.providers.seedream import lifetime
from short_drama.sdk.models import TaskView
from tests.integration.comfyui_stage import until
from tests.integration.provider_stage import FULL, MASK, SWAP, ProviderStage, simulated

SEEDREAM_USD = 0.03


async def page_of(folder: Path, task_id: str) -> TaskSpend:
    async with Database(folder / "tasks.db") as database:
        page = await EmbeddedSpendLedger(database).read(task_id)
    assert page is not None
    return page


def charged(stage: ProviderStage) -> float:
    """By the providers' own account."""
    tokens = [(call.input_tokens, call.output_tokens) for call in stage.qwen.calls]
    micros = [-(-(0.2 * inputs + 1.6 * outputs) // 1) for inputs, outputs in tokens]
    return stage.seedream.charged * SEEDREAM_USD + sum(micros) / 1e6


def cost_of(task: TaskView) -> dict[str, Any]:
    assert task.cost is not None
    return task.cost


def code_of(task: TaskView) -> str | None:
    return None if task.error is None else task.error.code


# --- The picture --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "times"),
    [
        ("gone", 1),
        ("expired", 1),
        ("gone", 9),
        ("download-503", 5),
        ("download-page", 5),
        ("download-damaged", 5),
    ],
)
async def test_a_picture_is_fetched_however_long_that_takes(
    tmp_path: Path, fault: str, times: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(generators, "_DAMAGED", (0.01,) * 5)
    async with simulated(tmp_path) as stage:
        stage.seedream.failures.turn_on(fault, times)
        task = await stage.done(SWAP)
        assert (stage.seedream.charged, cost_of(task)["usd"]) == (1, SEEDREAM_USD)


async def test_a_picture_whose_url_is_too_old_is_made_anew_by_a_retry(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lifetime, "_SKEW", 0.0)
    async with simulated(tmp_path) as stage:
        stage.seedream.results.seconds = 1
        stage.seedream.failures.turn_on("gone", True)
        task = await stage.task(SWAP)
        assert (task.status, code_of(task)) == ("failed", "engine_failed")
        assert (cost_of(task)["usd"], stage.seedream.charged) == (SEEDREAM_USD, 1)
        assert (await page_of(tmp_path, task.task_id)).calls[0].is_useless
        stage.seedream.failures.turn_on("gone", False)
        stage.seedream.results.seconds = 86_400
        again = await stage.ended(await stage.client.retry(task.task_id))
        assert (again.status, stage.seedream.charged) == ("completed", 2)


async def test_a_picture_that_nobody_can_decode_is_kept_and_made_anew_by_a_retry(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(generators, "_DAMAGED", (0.01,) * 5)
    async with simulated(tmp_path) as stage:
        stage.seedream.failures.turn_on("download-damaged", True)
        task = await stage.task(SWAP)
        assert (task.status, code_of(task)) == ("failed", "engine_failed")
        assert cost_of(task)["usd"] == SEEDREAM_USD
        kept = tmp_path / "assets" / "files" / "jobs" / task.task_id / "generate.1.picture"
        assert kept.stat().st_size > 1000
        stage.seedream.failures.turn_on("download-damaged", False)
        again = await stage.ended(await stage.client.retry(task.task_id))
        assert (again.status, stage.seedream.charged) == ("completed", 2)


async def test_a_picture_is_downloaded_once_whatever_happens_to_it_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Here the store refuses the result of the first attempt."""
    refused = fail_puts(monkeypatch, "seedream/", times=1)
    async with simulated(tmp_path) as stage:
        task = await stage.done(SWAP)
        assert refused
        assert (stage.seedream.charged, stage.seedream.results.downloads) == (1, 1)
        async with stage.stack.http.get(
            f"{stage.stack.gpu}/assets/jobs/{task.task_id}/generate.1.picture"
        ) as answer:
            assert answer.status == 404


def fail_puts(monkeypatch: pytest.MonkeyPatch, part: str, *, times: int) -> list[str]:
    """The keys whose first so many puts were refused."""
    put, refused = EmbeddedAssetStore.put, list[str]()

    async def flaky(store: EmbeddedAssetStore, key: str, data: bytes, **options: Any) -> None:
        if part in key and len(refused) < times:
            refused.append(key)
            raise Unavailable("the disk is full")
        await put(store, key, data, **options)

    monkeypatch.setattr(EmbeddedAssetStore, "put", flaky)
    return refused


@pytest.mark.parametrize("part", [".answered", ".picture"])
async def test_what_was_paid_for_outlives_a_store_that_refuses_it_for_a_moment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, part: str
) -> None:
    refused = fail_puts(monkeypatch, part, times=2)
    async with simulated(tmp_path) as stage:
        task = await stage.done(SWAP)
        assert (len(refused), stage.seedream.charged, task.attempts) == (2, 1, 1)


# --- What it cost -------------------------------------------------------------------------


async def test_a_failure_says_what_was_paid_for_before_it(tmp_path: Path) -> None:
    async with simulated(tmp_path) as stage:
        stage.seedream.failures.turn_on("InputImageSensitiveContentDetected")
        refused = await stage.task(FULL)
        assert code_of(refused) == "content_refused"
        (detection,) = cost_of(refused)["calls"]
        assert (detection["step"], detection["state"]) == ("detect", "paid")
        assert cost_of(refused)["usd"] == pytest.approx(charged(stage), abs=2e-6)


async def test_no_face_and_answers_that_cannot_be_read_say_what_they_cost(tmp_path: Path) -> None:
    async with simulated(tmp_path) as stage:
        stage.qwen.faces = []
        nobody = await stage.task(MASK)
        assert (code_of(nobody), len(cost_of(nobody)["calls"])) == ("no_face_found", 1)
        stage.qwen.script.extend(["no", "no"])
        unreadable = await stage.task(MASK)
        assert (code_of(unreadable), len(cost_of(unreadable)["calls"])) == ("engine_failed", 2)
        stage.qwen.faces = [(300, 200, 500, 600)]
        again = await stage.ended(await stage.client.retry(unreadable.task_id))
        assert again.status == "completed"  # asked anew: what cannot be read is not read again
        assert len(cost_of(again)["calls"]) == 1


async def test_two_calls_without_an_answer_are_maybe_charged(tmp_path: Path) -> None:
    async with simulated(tmp_path) as stage:
        stage.seedream.failures.turn_on("reset", True)
        task = await stage.task(SWAP)
        assert code_of(task) == "engine_failed"
        cost = cost_of(task)
        assert (cost["usd"], cost["maybe_usd"]) == (0.0, 2 * SEEDREAM_USD)
        assert [call["state"] for call in cost["calls"]] == ["unknown", "unknown"]


# --- Retries ------------------------------------------------------------------------------


async def test_a_retry_of_a_failed_task_begins_with_what_it_has_paid_for(tmp_path: Path) -> None:
    async with simulated(tmp_path) as stage:
        stage.seedream.failures.turn_on("InputImageSensitiveContentDetected")
        refused = await stage.task(FULL)
        again = await stage.ended(await stage.client.retry(refused.task_id))
        assert (again.status, len(stage.qwen.calls)) == ("completed", 1)
        assert [call["step"] for call in cost_of(again)["calls"]] == ["generate"]
        assert cost_of(again)["usd"] == SEEDREAM_USD


async def test_a_retry_of_a_cancelled_task_waits_for_its_picture(tmp_path: Path) -> None:
    async with simulated(tmp_path, latency=2.0) as stage:
        task = await stage.submit(SWAP)
        await until(lambda: stage.seedream.calls)
        await stage.client.cancel(task.task_id)
        again = await stage.ended(await stage.client.retry(task.task_id))
        assert (again.status, stage.seedream.charged) == ("completed", 1)
        assert cost_of(again) == {"usd": 0.0, "maybe_usd": 0.0, "calls": []}
        assert (await page_of(tmp_path, task.task_id)).micros(CallState.PAID) == 30_000


async def test_a_retry_of_a_completed_task_makes_another_picture(tmp_path: Path) -> None:
    async with simulated(tmp_path) as stage:
        task = await stage.done(SWAP)
        again = await stage.ended(await stage.client.retry(task.task_id))
        assert (again.status, stage.seedream.charged) == ("completed", 2)


# --- Cancels ------------------------------------------------------------------------------


@pytest.mark.parametrize(("ending", "micros"), [("data-error", 0), ("wrong-size", 30_000)])
async def test_a_call_is_settled_though_its_task_was_cancelled(
    tmp_path: Path, ending: str, micros: int, caplog: pytest.LogCaptureFixture
) -> None:
    async with simulated(tmp_path, latency=1.0) as stage:
        stage.seedream.failures.turn_on(ending)
        task = await stage.submit(SWAP)
        await until(lambda: stage.seedream.calls)
        await stage.client.cancel(task.task_id)
        page = await page_of(tmp_path, task.task_id)
        for _ in range(2000):
            if not page.is_open:
                break
            await asyncio.sleep(0.05)
            page = await page_of(tmp_path, task.task_id)
        assert page.micros(*CallState) == micros == stage.seedream.charged * 30_000
        found = await stage.client.get(task.task_id)
        assert (found.status, found.cost) == ("cancelled", page.cost())
    assert not [record for record in caplog.records if "never retrieved" in record.message]
