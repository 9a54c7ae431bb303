"""What a line tells, for programs and for people."""

import json
import logging
from typing import Any

import pytest
from structlog.contextvars import bound_contextvars

from short_drama.domain.errors import EngineFailed, PromptUnsupported
from short_drama.domain.failure import Failure
from short_drama.domain.outcome import Outcome
from short_drama.logs import text
from short_drama.logs.formatting import LineFormatter
from short_drama.logs.redaction import Redactor
from short_drama.logs.steps import end_of, ids_of, why
from tests.samples import NOW, a_task


def record(message: str, *arguments: object, **facts: Any) -> dict[str, Any]:
    found = logging.getLogger("short_drama.x").makeRecord(
        "short_drama.x", logging.INFO, __file__, 1, message, arguments, None, extra=facts
    )
    line = LineFormatter(Redactor(), component="here", version="1.2").format(found)
    assert "\n" not in line
    told: dict[str, Any] = json.loads(line)
    return told


def test_a_line_tells_when_what_where_and_whose() -> None:
    with bound_contextvars(request_id="r-1", task_id="t-1"):
        told = record("made %d", 2, at=1_764_268_800.1239, seconds=1.5)
    assert told == {
        "timestamp": "2025-11-27T18:40:00.123Z", "level": "info", "event": "made 2",
        "component": "here", "task_id": "t-1", "request_id": "r-1", "seconds": 1.5,
        "logger": "short_drama.x", "version": "1.2",
    }  # fmt: skip
    assert list(told)[:5] == ["timestamp", "level", "event", "component", "task_id"]


def test_the_context_knows_better_who_speaks() -> None:
    with bound_contextvars(component="gpu-adapter"):
        assert record("x")["component"] == "gpu-adapter"


@pytest.mark.parametrize("name", ["timestamp", "level", "logger", "version"])
def test_no_fact_takes_the_place_of_what_a_line_says_itself(name: str) -> None:
    assert record("x", **{name: "mine"})[name] != "mine"


def test_a_value_without_end_is_cut() -> None:
    assert len(record("x", value="a" * 100_000)["value"]) < 20_000


def test_a_line_for_people() -> None:
    told = record("task claimed", at=0.5, worker="a b", attempt=1, empty="", odd="x\x1b[2J\n")
    assert text.line(told) == (
        "00:00:00.500  here              task claimed  "
        'attempt=1 worker="a b" empty="" odd=x\\x1b[2J\\n'
    )


def test_a_traceback_stands_below() -> None:
    told = {"timestamp": "", "level": "error", "event": "bad", "exception": "Trace\n  line\x07"}
    assert text.line(told).split("\n")[1:] == ["    Trace", "      line\\x07"]
    assert "ERROR bad" in text.line(told)


# --- Facts --------------------------------------------------------------------------------


def test_ids_of_a_task() -> None:
    task = a_task()
    assert ids_of(task) == {
        "task_id": task.task_id, "kind": task.kind, "lane": "gpu", "owner": task.owner,
    }  # fmt: skip
    claimed = task.claim("me", now=NOW, lease=60)
    assert ids_of(claimed)["attempt"] == 1
    assert ids_of(claimed)["job_id"] == claimed.api_job_id


def test_an_end_tells_times_cost_and_why() -> None:
    claimed = a_task().claim("me", now=NOW, lease=60).with_cost({"usd": "0.03"})
    outcome = Outcome(result_key="k", engine="noop", engine_seconds=2.0)
    done = claimed.complete("me", 1, outcome, now=NOW + 5)
    assert end_of(done)["engine_seconds"] == 2.0
    assert {"seconds", "queued_seconds", "attempts", "engine", "usd"} <= set(end_of(done))
    failed = claimed.fail("me", 1, Failure.of(EngineFailed("out of paint")), now=NOW + 5)
    assert end_of(failed)["code"] == "engine_failed"
    assert end_of(failed)["reason"] == "out of paint"


def test_what_is_said_of_a_prompt_is_not_told() -> None:
    failure = Failure.of(PromptUnsupported("'make her weep' is no edit", field="prompt"))
    assert why(failure) == {"code": "prompt_unsupported", "field": "prompt"}
