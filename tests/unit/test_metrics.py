"""The registry: names, what is known and what is not, and what a task's end tells."""

from dataclasses import replace

import pytest
from prometheus_client import CollectorRegistry

from short_drama import metrics
from short_drama.domain.errors import EngineFailed
from short_drama.domain.failure import Failure
from short_drama.domain.outcome import Outcome
from tests.figures import counted, figure
from tests.samples import a_task

OF_THE_PROCESS = ("process_", "python_")


def test_every_name_is_ours_or_the_processs() -> None:
    names = {family.name for family in metrics.REGISTRY.collect()}
    ours = {name for name in names if not name.startswith(OF_THE_PROCESS)}
    assert all(name.startswith("short_drama_") for name in ours)
    assert {"process_resident_memory_bytes", "python_info"} <= names
    assert not [name for name in names if name.endswith("_created")]
    assert b"_created" not in metrics.render()


def test_the_build_is_told() -> None:
    assert b'short_drama_build_info{version="' in metrics.render()


def test_what_nobody_knows_is_not_told() -> None:
    gauge = metrics.DEAD_LETTERS
    assert figure("dead_letters", queue="q") is None
    for value in (3, 0):
        gauge.tell(value, "q")
        assert figure("dead_letters", queue="q") == value
    gauge.tell(None, "q")
    gauge.tell(None, "q")
    assert figure("dead_letters", queue="q") is None


def test_a_name_is_given_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics, "REGISTRY", CollectorRegistry())
    metrics.Known("a", "A gauge")
    with pytest.raises(ValueError, match="Duplicated"):
        metrics.Known("a", "Another")


def test_an_end_tells_how_and_where_the_time_went() -> None:
    kind, before = "camera-angle", counted("task_seconds_sum", kind="camera-angle")
    made = Outcome(result_key="images/1.png", engine="noop", engine_seconds=2.0)
    task = replace(
        a_task(created_at=100.0).claim("w", now=103.0, lease=60), waited=3.0, started_at=103.0
    )
    overhead = counted("task_stage_seconds_sum", kind=kind, stage="overhead")
    metrics.ended(task.complete("w", 1, made, now=110.0))
    assert counted("task_seconds_sum", kind=kind) - before == pytest.approx(10)
    found = counted("task_stage_seconds_sum", kind=kind, stage="overhead") - overhead
    assert found == pytest.approx(5)


@pytest.mark.parametrize(("code", "told"), [("engine_failed", "engine_failed"), ("x y", "other")])
def test_a_failure_is_counted_by_a_code_that_we_know(code: str, told: str) -> None:
    """An API service of somebody else's may answer with any, and each would be a series."""
    labels = {"kind": "camera-angle", "code": told}
    before = counted("tasks_failed_total", **labels)
    failure = replace(Failure.of(EngineFailed("it broke")), code=code)
    claimed = a_task(created_at=100.0).claim("w", now=101.0, lease=60)
    metrics.ended(claimed.fail("w", 1, failure, now=102.0))
    assert counted("tasks_failed_total", **labels) == before + 1
    assert figure("tasks_failed_total", kind="camera-angle", code="x y") is None
