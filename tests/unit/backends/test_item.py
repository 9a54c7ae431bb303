"""A task as a DynamoDB item, and back."""

from decimal import Context, Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from short_drama.backends.aws.item import IN_STATUS_INDEX, to_item, to_task
from short_drama.domain.errors import EngineFailed, InvalidRequest
from short_drama.domain.failure import Failure
from short_drama.domain.lifetimes import DAY, Lifetimes
from short_drama.domain.outcome import Outcome
from short_drama.domain.task import Task
from short_drama.domain.task_state import TaskStatus
from tests.samples import NOW, a_task

texts = st.text(st.characters(codec="utf-8"), max_size=20)
sizes = st.floats(1e-130, 1e126, exclude_max=True)
numbers = st.integers(-(10**38) + 1, 10**38 - 1) | st.just(0.0) | sizes | sizes.map(lambda x: -x)
moments = st.just(0.0) | st.floats(1e-130, 4e9)
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
    progress=st.none() | st.floats(1e-130, 1),
    outcome=st.none()
    | st.builds(Outcome, result_key=texts, details=st.dictionaries(texts, anything, max_size=3)),
    failure=st.none() | st.builds(Failure, code=texts, message=texts, after=st.none() | moments),
)


DIGITS = Context(prec=38)


def as_stored(attribute: dict[str, Any]) -> dict[str, Any]:
    """What a server makes of it: the same value, at most 38 digits, written without exponent."""
    ((kind, value),) = attribute.items()
    if kind == "N":
        exact = Decimal(value)
        assert DIGITS.plus(exact) == exact
        return {"N": f"{DIGITS.normalize(exact):f}"}
    if kind == "M":
        return {"M": {key: as_stored(part) for key, part in value.items()}}
    return {"L": [as_stored(part) for part in value]} if kind == "L" else attribute


@given(tasks)
def test_a_task_survives_its_item(task: Task) -> None:
    item = to_item(task, write_id="w")
    assert to_task(item) == task
    assert to_task({name: as_stored(attribute) for name, attribute in item.items()}) == task


@pytest.mark.parametrize("number", [1e126, -1e300, 10**38, float("inf"), float("nan")])
def test_a_number_that_does_not_fit_is_refused(number: float) -> None:
    with pytest.raises(InvalidRequest, match="too large"):
        to_item(a_task(request={"n": number}), write_id="w")


@pytest.mark.parametrize("number", [1e-131, -5e-324, -0.0])
def test_a_number_too_small_to_tell_from_zero_is_zero(number: float) -> None:
    assert to_task(to_item(a_task(request={"n": number}), write_id="w")).request == {"n": 0}


def held(**changes: Any) -> Task:
    return a_task(**changes).claim("alice", now=NOW, lease=60)


def test_operators_read_the_documented_attributes() -> None:
    outcome = Outcome(result_key="images/x.png", result_url="https://cdn/images/x.png")
    heard = held().last_heard("alice", 1, api_job_id="j1", waited=2.0)
    done = heard.complete("alice", 1, outcome, now=NOW + 5)
    item = to_item(done, write_id="w")
    assert {name: item[name] for name in ("task_id", "status", "job_type", "api_job_id")} == {
        "task_id": {"S": "t1"},
        "status": {"S": "completed"},
        "job_type": {"S": "/api/v1/camera-angle/jobs"},
        "api_job_id": {"S": "j1"},
    }
    assert item["created_at"] == {"N": "1000000"}
    assert item["updated_at"] == {"N": "1000005"}
    assert item["result_url"] == {"S": "https://cdn/images/x.png"}
    failed = held().fail("alice", 1, Failure.of(EngineFailed("out of memory")), now=NOW)
    assert to_item(failed, write_id="w")["error_message"] == {"S": "out of memory"}


def test_only_an_ended_task_expires_and_only_an_open_one_is_due() -> None:
    open_item, ended = to_item(held(), write_id="w"), held().cancel(now=NOW)
    ended_item = to_item(ended, write_id="w")
    assert ("expires_at" in open_item, "due_at" in open_item) == (False, True)
    assert ("expires_at" in ended_item, "due_at" in ended_item) == (True, False)
    assert ended_item["expires_at"] == {"N": str(int(NOW + 90 * DAY))}


@pytest.mark.parametrize(("days", "expires"), [(7, {"N": str(int(NOW + 7 * DAY))}), (0, None)])
def test_an_ended_task_expires_as_the_setting_says(
    days: int, expires: dict[str, str] | None
) -> None:
    kept = Lifetimes(tasks=days, uploads=1)
    item = to_item(held().cancel(now=NOW), write_id="w", lifetimes=kept)
    assert item.get("expires_at") == expires


@pytest.mark.parametrize(
    "change",
    [
        lambda task: task.heartbeat(
            "alice", 1, now=NOW + 20, lease=60, stage="running", progress=0.5
        ),
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
