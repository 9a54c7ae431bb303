"""`short-drama costs` on every backend, as the installed command."""

import time
from typing import Any

import pytest

from short_drama.domain.outcome import Outcome
from tests.integration.operator_stage import Stage, stage
from tests.integration.test_spend_command import now_call, paid

__all__ = ["stage"]


async def done(stage: Stage, task_id: str, *, seconds: float, size: int, **changes: Any) -> None:
    task = await stage.task(task_id, **changes)
    claimed = await stage.backend.store.replace(task.claim("w", now=time.time(), lease=60))
    outcome = Outcome(
        result_key=f"images/{task_id}.png",
        engine="comfyui",
        engine_seconds=seconds,
        result={"width": 8, "height": 8, "bytes": size},
    )
    ended = claimed.complete("w", 1, outcome, now=time.time())
    await stage.backend.store.replace(ended)


async def test_costs_equal_a_sum_by_hand(stage: Stage) -> None:
    """Two GPU tasks of 18 s at $0.526 an hour, and a picture for $0.03."""
    await done(stage, "t1", seconds=6.0, size=1_000_000, labels={"show": "Nightfall"})
    await done(stage, "t2", seconds=12.0, size=3_000_000)
    await paid(stage, now_call(), task_id="t3", labels={"show": "Nightfall"})
    ended = await stage.shell.run("costs", "--json")
    assert ended.code == 0, ended.err
    told = {line.get("kind", line["what"]): line for line in ended.lines}
    angle, paying, total = told["camera-angle"], told["face-mask"], told["total"]
    assert (angle["tasks"], angle["gpu_seconds"]) == (2, 18.0)
    assert angle["gpu_usd"] == pytest.approx(18 * 0.526 / 3600, rel=1e-12)
    assert (
        told["face-swap"]["providers_usd"] == pytest.approx(0.03) if paying["tasks"] == 0 else True
    )
    on_aws = stage.settings.backend == "aws"
    assert angle["storage_usd"] == pytest.approx(0.004 * 0.023 if on_aws else 0.0)
    assert angle["transfer_usd"] == pytest.approx(0.004 * 0.085 if on_aws else 0.0)
    parts = ("gpu", "providers", "requests", "storage", "transfer")
    assert total["total_usd"] == pytest.approx(sum(total[f"{part}_usd"] for part in parts))
    assert total["per_thousand_usd"] == pytest.approx(total["total_usd"] * 1000 / 3)
    assert told["forecast"]["tasks"] >= 3


async def test_by_label_and_as_a_table(stage: Stage) -> None:
    await done(stage, "t1", seconds=6.0, size=10, labels={"show": "Night [falls]"})
    table = await stage.shell.run("costs", "--by", "label:show", "--on-aws")
    assert table.code == 0, table.err
    assert "Night [falls]" in table.out
    assert "always on" in table.out


@pytest.mark.parametrize("by", ["colour", "kind:x"])
async def test_what_there_is_to_group_by_is_told(stage: Stage, by: str) -> None:
    refused = await stage.shell.run("costs", "--by", by)
    assert (refused.code, refused.out) == (2, "")
    assert "label:NAME" in refused.err


async def test_an_instance_without_a_price(stage: Stage) -> None:
    stage.shell.environment["SHORT_DRAMA_GPU_INSTANCE"] = "x9.huge"
    refused = await stage.shell.run("costs")
    assert refused.code == 2
    assert '[instances."x9.huge"]' in refused.err
