"""A task as a DynamoDB item, and back."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from short_drama.backends.aws.item import IN_STATUS_INDEX, KEPT_SECONDS, to_item, to_task
from short_drama.domain.errors import EngineFailed, Failure
from short_drama.domain.task import Outcome, Task, TaskStatus
from tests.samples import NOW, a_task

texts = st.text(st.characters(codec="utf-8"), max_size=20)
numbers = st.integers(-(2**53), 2**53) | st.floats(-1e15, 1e15)
moments = st.floats(0, 4e9)
anything = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)
tasks = st.builds(
    a_task,
    task_id=st.text(st.characters(codec="utf-8"), min_size=1, max_size=20),
    kind=st.sampled_from(["camera-angle", "face-swap"]),
    request=st.dictionaries(texts, anything, max_size=4),
    status=st.sampled_from(TaskStatus),
    created_at=moments,
    updated_at=moments,
    version=st.integers(0, 99),
    labels=st.dictionaries(texts, texts, max_size=3),
    consent=st.none() | st.dictionaries(texts, texts, max_size=2),
    deadline=st.none() | moments,
    outbox_due=st.none() | moments,
    lease_owner=st.none() | texts,
    lease_until=st.none() | moments,
    ended_at=st.none() | moments,
    progress=st.none() | st.floats(0, 1),
    outcome=st.none()
    | st.builds(Outcome, result_key=texts, details=st.dictionaries(texts, anything, max_size=3)),
    failure=st.none() | st.builds(Failure, code=texts, message=texts, after=st.none() | moments),
)


@given(tasks)
def test_a_task_survives_its_item(task: Task) -> None:
    assert to_task(to_item(task, write_id="w")) == task


def held(**changes: Any) -> Task:
    return a_task(**changes).claim("alice", now=NOW, lease=60)


def test_operators_read_the_documented_attributes() -> None:
    outcome = Outcome(result_key="images/x.png", result_url="https://cdn/images/x.png")
    done = held().complete("alice", 1, outcome, now=NOW + 5, api_job_id="j1")
    item = to_item(done, write_id="w")
    assert {name: item[name] for name in ("task_id", "status", "job_type", "api_job_id")} == {
        "task_id": {"S": "t1"},
        "status": {"S": "completed"},
        "job_type": {"S": "/api/v1/camera-angle/jobs"},
        "api_job_id": {"S": "j1"},
    }
    assert item["created_at"] == {"N": repr(done.created_at)}
    assert item["updated_at"] == {"N": repr(NOW + 5)}
    assert item["result_url"] == {"S": "https://cdn/images/x.png"}
    failed = held().fail("alice", 1, Failure.of(EngineFailed("out of memory")), now=NOW)
    assert to_item(failed, write_id="w")["error_message"] == {"S": "out of memory"}


def test_only_an_ended_task_expires_and_only_an_open_one_is_due() -> None:
    open_item, ended = to_item(held(), write_id="w"), held().cancel(now=NOW)
    ended_item = to_item(ended, write_id="w")
    assert ("expires_at" in open_item, "due_at" in open_item) == (False, True)
    assert ("expires_at" in ended_item, "due_at" in ended_item) == (True, False)
    assert ended_item["expires_at"] == {"N": str(int(NOW + KEPT_SECONDS))}


@pytest.mark.parametrize(
    "change",
    [
        lambda task: task.keep("alice", 1, now=NOW + 20, lease=60, stage="running", progress=0.5),
        lambda task: task.sending(now=NOW + 90),
    ],
)
def test_a_heartbeat_does_not_write_the_status_index(change: Any) -> None:
    """Each write of an index is paid for, and a throttled index throttles the table."""
    before = held(labels={"episode": "3"})
    projected = ("task_id", "status", "created_at", *IN_STATUS_INDEX)
    items = [to_item(task, write_id=name) for task, name in ((before, "a"), (change(before), "b"))]
    assert [items[0].get(name) for name in projected] == [items[1].get(name) for name in projected]
    assert items[0]["write_id"] != items[1]["write_id"]
