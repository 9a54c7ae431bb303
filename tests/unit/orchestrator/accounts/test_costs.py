"""What tasks have cost, against sums made by hand."""

from dataclasses import replace
from datetime import UTC, date
from decimal import Decimal
from typing import Any

import pytest

from short_drama.domain.errors import EngineFailed
from short_drama.domain.failure import Failure
from short_drama.domain.outcome import Outcome
from short_drama.domain.spending import CallState
from short_drama.domain.task import Task
from short_drama.domain.task_state import TaskStatus
from short_drama.orchestrator.accounts.costs import (
    By,
    Costs,
    Item,
    Rates,
    Requests,
    added,
    forecast,
    grouped,
    items,
    machine_month,
    month_of,
    requests_of,
)
from short_drama.orchestrator.accounts.sums import Line, Period
from tests.samples import NOW, a_task
from tests.unit.orchestrator.accounts.samples import DAY, NOON, a_call, a_correction, a_page

AWS = Rates(
    gpu_hour=Decimal("0.526"),
    gpu_month=machine_month(Decimal("0.526"), 100, Decimal("0.10")),
    cpu_month=machine_month(Decimal("0.042"), 30, Decimal("0.10")),
    sqs=Decimal("0.0000004"),
    write=Decimal("0.000000625"),
    read=Decimal("0.000000125"),
    put=Decimal("0.000005"),
    get=Decimal("0.0000004"),
    gb_month=Decimal("0.023"),
    gb_sent=Decimal("0.085"),
)


def ended(task_id: str, *, engine: str, seconds: float, size: int = 0, **changes: Any) -> Task:
    outcome = Outcome(result_key="x", engine=engine, engine_seconds=seconds, result={"bytes": size})
    members = {
        "status": TaskStatus.COMPLETED,
        "attempt": 1,
        "waited": 0.0,
        "outcome": outcome,
        "ended_at": NOW + seconds,
        "inputs": {"image_url": {"width": 8, "height": 8}},
    }
    return a_task(task_id, **{**members, **changes})


def line(task_id: str = "t1", **changes: Any) -> Line:
    call = a_call(**changes)
    return Line(a_page(call, task_id=task_id), call, DAY)


def test_a_gpu_task_by_hand() -> None:
    """12 s of $0.526 an hour; 3 SQS requests; records written 4 times at 5 units, and read 5 times;
    a picture in and a picture out; 2 MB kept for a month and sent once."""
    task = ended("t1", engine="comfyui", seconds=12.0, size=2_000_000)
    costs = added([Item(task)], AWS)
    assert costs.gpu == Decimal("12.0") * Decimal("0.526") / 3600
    assert requests_of(task, calls=0) == Requests(sqs=3, writes=20, reads=5, puts=2, gets=2)
    assert costs.requests == Decimal("0.0000012") + Decimal("0.0000125") + Decimal(
        "0.000000625"
    ) + Decimal("0.00001") + Decimal("0.0000008")
    assert costs.storage == Decimal("0.000046")
    assert costs.transfer == Decimal("0.00017")
    assert costs.total == costs.gpu + costs.requests + Decimal("0.000216")
    assert costs.per_thousand == costs.total * 1000


def test_a_paid_task_by_hand() -> None:
    task = ended("t1", engine="seedream", seconds=45.0, kind="face-swap")
    calls = [
        line("t1", step="detect", micros=253),
        line("t1", micros=30_000),
        line("t1", number=2, micros=30_000, state=CallState.UNKNOWN),
    ]
    (item,) = items([task], calls)
    costs = item.costs(AWS)
    assert costs.tasks == 1
    assert costs.gpu == costs.gpu_seconds == 0
    assert (costs.providers, costs.maybe) == (Decimal("0.030253"), Decimal("0.03"))
    told = requests_of(task, calls=3)
    assert (told.writes, told.puts) == (5 * (2 + 2 + 2) + 18, 1 + 1 + 6)
    assert costs.total == Decimal("0.030253") + AWS.of(told)


def test_each_attempt_and_each_progress_is_a_request() -> None:
    long = ended("t1", engine="comfyui", seconds=65.0, attempt=2)
    assert requests_of(long, calls=0) == Requests(sqs=6, writes=45, reads=6, puts=2, gets=3)


@pytest.mark.parametrize("engine", ["local-preview", "comfy-api-v2"])
def test_only_our_gpu_counts(engine: str) -> None:
    assert added([Item(ended("t1", engine=engine, seconds=9.0))], AWS).gpu == 0


def test_one_machine_pays_for_no_requests() -> None:
    task = ended("t1", engine="comfyui", seconds=3600.0, size=10**9)
    costs = added([Item(task)], Rates(gpu_hour=Decimal("0.526")))
    assert costs.total == Decimal("0.526")


def test_a_task_that_failed_costs_its_requests() -> None:
    failed = a_task("t1").claim("w", now=NOW, lease=60)
    failed = failed.fail("w", 1, Failure.of(EngineFailed("x")), now=NOW + 1)
    assert added([Item(failed)], AWS).requests > 0


def test_groups_add_up_to_the_total() -> None:
    tasks = [
        ended("t1", engine="comfyui", seconds=10.0, labels={"show": "A", "shot": "1"}),
        ended("t2", engine="comfyui", seconds=20.0, labels={"show": "B"}, kind="qwen-image-edit"),
        ended("t3", engine="seedream", seconds=20.0, kind="face-swap"),
    ]
    credit = a_correction(-5_000)
    lines = [line("t3"), line("gone"), Line(credit, credit.calls[0], DAY)]
    found = items(tasks, lines)
    total = added(found, AWS)
    assert (total.tasks, total.providers) == (3, Decimal("0.055"))
    by_kind = grouped(found, By.KIND, AWS)
    assert list(by_kind) == ["adjustment", "camera-angle", "face-swap", "qwen-image-edit"]
    assert by_kind["face-swap"].providers == Decimal("0.06")
    for by in (By.KIND, By.ENGINE):
        again = Costs()
        for each in grouped(found, by, AWS).values():
            again.add(each)
        assert again == total
    assert set(grouped(found, By.ENGINE, AWS)) == {"comfyui", "seedream", "-"}
    shows = grouped(found, By.LABEL, AWS, label="show")
    assert {name: each.tasks for name, each in shows.items()} == {"A": 1, "B": 1, "-": 1}
    assert set(grouped(found, By.LABEL, AWS)) == {"show=A", "shot=1", "show=B", "-"}


def test_the_month_goes_on_as_it_began() -> None:
    so_far = Costs(tasks=10, gpu=Decimal(3), providers=Decimal(6))
    told = forecast(so_far, date(2026, 11, 10), AWS)
    assert (told.days_over, told.days, told.used.tasks) == (10, 30, 30)
    assert told.used.total == 27
    # 0.526 x 730 + 100 GB at 0.10, and 0.042 x 730 + 30 GB at 0.10
    assert told.gpu_machine == Decimal("393.98")
    assert told.cpu_machine == Decimal("33.66")
    assert told.if_gpu_stops == Decimal("60.66")
    assert told.if_always_on == 18 + Decimal("427.64")


def test_this_month_begins_at_its_first_day() -> None:
    period = month_of(Period(zone=UTC), NOON)
    assert (period.since, period.until) == ("2026-11-01", DAY)
    assert period.has(NOON)
    assert not period.has(replace(a_call(), at=NOON - 27 * 86400).at)
