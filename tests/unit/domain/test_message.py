"""The queue message keeps the shape workers of other versions read."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from short_drama.domain.attempts import job_id_for
from short_drama.domain.errors import NewerFormat
from short_drama.domain.message import MalformedMessage, TaskMessage
from tests.samples import a_task


def test_the_body_is_the_documented_shape() -> None:
    assert json.loads(TaskMessage.of(a_task()).to_body()) == {
        "version": 1,
        "task_id": "t1",
        "task_type": "camera-angle",
        "api_path": "/api/v1/camera-angle/jobs",
        "request_body": {"image_url": "asset:uploads/local/a.png", "zoom": 1},
    }


def test_a_body_reads_back_without_the_request_which_workers_do_not_trust() -> None:
    message = TaskMessage.from_body(TaskMessage.of(a_task()).to_body())
    assert (message.task_id, message.task_type) == ("t1", "camera-angle")
    assert message.request_body == {}


def test_a_body_of_a_later_version_names_its_task_and_is_for_others_to_work_on() -> None:
    body = {"version": 9, "task_id": "t", "task_type": "k", "api_path": "/p", "colour": "red"}
    message = TaskMessage.from_body(json.dumps(body))
    assert message.task_id == "t"
    with pytest.raises(NewerFormat, match="has format 9"):
        message.require_known()


@pytest.mark.parametrize("body", [{"version": 2}, {"version": 2, "task_id": {"shard": 1}}])
def test_a_later_version_may_name_its_task_in_another_way(body: dict[str, object]) -> None:
    with pytest.raises(NewerFormat):
        TaskMessage.from_body(json.dumps(body))


def test_members_of_later_releases_are_ignored_and_a_version_may_be_missing() -> None:
    body = {"task_id": "t", "task_type": "k", "api_path": "/p", "colour": "red"}
    TaskMessage.from_body(json.dumps(body)).require_known()


GOOD = {"task_id": "t", "task_type": "k", "api_path": "/p"}


@pytest.mark.parametrize(
    "body",
    [
        "", "null", "[]", "1", '"text"', "{", "{}", "[" * 100_000, "\ud800",
        *(json.dumps({key: value for key, value in GOOD.items() if key != gone}) for gone in GOOD),
        *(json.dumps({**GOOD, "task_id": bad}) for bad in (None, 1, "", "x" * 201, ["t"])),
    ],
)  # fmt: skip
def test_what_names_no_task_is_malformed(body: str) -> None:
    with pytest.raises(MalformedMessage):
        TaskMessage.from_body(body)


@given(st.text(max_size=100))
def test_any_text_is_a_message_or_malformed(body: str) -> None:
    with pytest.raises(MalformedMessage):
        TaskMessage.from_body(body)


def test_job_ids_are_known_beforehand_and_differ_by_attempt_and_key() -> None:
    assert job_id_for("k", 1) == job_id_for("k", 1)
    assert len({job_id_for("k", 1), job_id_for("k", 2), job_id_for("l", 1)}) == 3
