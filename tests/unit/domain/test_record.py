"""A task survives being a record, also one of an earlier or a later version."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from short_drama.domain import formats
from short_drama.domain.errors import NewerFormat
from short_drama.domain.failure import Failure
from short_drama.domain.kinds import Lane
from short_drama.domain.outcome import Outcome
from short_drama.domain.record import record_of, task_of
from short_drama.domain.task import Task
from short_drama.domain.task_state import TaskStatus
from tests.samples import NOW, a_task

MADE = Outcome(result_key="images/x.png", engine="noop", details={"seed": 7}, engine_seconds=0.5)
DONE = a_task().claim("alice", now=NOW, lease=60.0).complete("alice", 1, MADE, now=NOW)

texts = st.text(max_size=20)
maybe_time = st.none() | st.floats(0, 4e9)
tasks = st.builds(
    a_task,
    task_id=texts,
    kind=st.sampled_from(["camera-angle", "face-swap", "exposure"]),
    lane=st.sampled_from(Lane),
    request=st.dictionaries(texts, texts | st.integers(-5, 5) | st.floats(0, 1), max_size=3),
    status=st.sampled_from(TaskStatus),
    version=st.integers(0, 99),
    labels=st.dictionaries(texts, texts, max_size=3),
    inputs=st.dictionaries(texts, st.just({"width": 640, "height": 480}), max_size=3),
    consent=st.none() | st.fixed_dictionaries({"granted_by": texts}),
    deadline=maybe_time,
    outbox_due=maybe_time,
    parked=st.booleans(),
    waits_for=st.none() | st.builds(Failure, code=texts, message=texts, after=maybe_time),
    losses=st.integers(0, 3),
    dead_letters=st.integers(0, 3),
    attempt=st.integers(0, 9),
    lease_owner=st.none() | texts,
    lease_until=maybe_time,
    stage=st.none() | texts,
    progress=st.none() | st.floats(0, 1),
    outcome=st.none() | st.builds(Outcome, result_key=texts),
    cost=st.none() | st.just({"usd": 1}),
    failure=st.none() | st.builds(Failure, code=texts, message=texts, after=maybe_time),
)


@given(tasks)
def test_a_record_survives_json(task: Task) -> None:
    assert task_of(json.loads(json.dumps(record_of(task)))) == task


@pytest.mark.parametrize(
    "told",
    [{"format": formats.TASK.known + 1}, {"format": "x"}, {"status": "paused"}, {"lane": "tpu"}],
    ids=str,
)
def test_a_record_that_asks_for_more_than_we_know_is_refused(told: dict[str, object]) -> None:
    with pytest.raises(NewerFormat):
        task_of(record_of(DONE) | told)


def test_a_record_without_a_format_is_one_of_the_first() -> None:
    record = record_of(DONE)
    assert record.pop("format") == 1
    assert task_of(record) == DONE


def test_members_of_a_later_version_are_ignored() -> None:
    record = record_of(DONE) | {"colour": "red"}
    record["outcome"] |= {"quality": 9}
    assert task_of(record) == DONE


def test_members_that_are_none_are_left_out() -> None:
    assert None not in record_of(a_task()).values()


@pytest.mark.parametrize(
    ("kind", "lane"),
    [("camera-angle", Lane.GPU), ("full-face-swap", Lane.CPU), ("a-workflow-of-theirs", Lane.GPU)],
)
def test_a_record_from_before_lanes_were_kept_is_of_its_kinds_lane(kind: str, lane: Lane) -> None:
    record = record_of(a_task(kind=kind, lane=lane))
    del record["lane"]
    assert task_of(record).lane is lane


def test_a_kind_that_only_others_know_stays_on_its_lane() -> None:
    assert task_of(record_of(a_task(kind="known-elsewhere", lane=Lane.CPU))).lane is Lane.CPU


def test_a_record_whose_cost_stood_in_its_outcome_has_it_still() -> None:
    record = record_of(DONE)
    record["outcome"]["cost"] = {"usd": 0.03}
    assert task_of(record) == DONE.with_cost({"usd": 0.03})
