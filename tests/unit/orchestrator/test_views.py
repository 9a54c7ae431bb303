"""A task as its client sees it: the documented shape, for every state a task may be in."""

import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace

import pytest

from short_drama.domain.errors import EngineFailed, ProviderPaused
from short_drama.domain.failure import Failure
from short_drama.domain.lane_notices import Condition
from short_drama.domain.outcome import Outcome
from short_drama.domain.task import Task
from short_drama.orchestrator.views import accepted_view, task_view
from short_drama.ports import AssetInfo, Outlook
from short_drama.sdk.models import Accepted, TaskView
from tests.samples import NOW, a_task

BASE = "http://127.0.0.1:8080"
OUTCOME = Outcome(
    result_key="images/x.png",
    engine="noop",
    details={"seed": 7, "mask_key": "images/mask.png", "frame_key": "seedream/x.jpg"},
    engine_seconds=1.5,
    result={"width": 8, "height": 6, "bytes": 99},
)


class Urls:
    """The part of an AssetStore that views use."""

    def url(self, key: str) -> str:
        return f"https://cdn/{key}"

    async def put(
        self,
        key: str,
        data: bytes,
        *,
        content_type: str,
        metadata: Mapping[str, str] | None = None,
    ) -> None:
        raise NotImplementedError

    async def get(self, key: str) -> bytes:
        raise NotImplementedError

    def pieces(self, key: str) -> AsyncIterator[bytes]:
        raise NotImplementedError

    async def head(self, key: str) -> AssetInfo:
        raise NotImplementedError

    async def inspect(self, key: str) -> AssetInfo:
        raise NotImplementedError

    async def renew(self, key: str) -> None:
        raise NotImplementedError


HELD = a_task(labels={"episode": "3"}).claim("alice", now=NOW + 2, lease=60)
STATES = {
    "claimed": HELD,
    "pending": a_task(
        deadline=NOW + 99,
        sources={"image_url": "https://a/b.png"},
        inputs={"image_url": {"width": 640, "height": 480}},
    ),
    "processing": HELD.heartbeat("alice", 1, now=NOW + 3, lease=60, stage="running", progress=0.5),
    "completed": HELD.complete("alice", 1, OUTCOME, now=NOW + 4),
    "failed": HELD.fail(
        "alice", 1, Failure.of(EngineFailed("broken", field="prompt", fix="change it")), now=NOW + 4
    ),
    "cancelled": HELD.cancel(now=NOW + 4),
}


def view(task: Task, outlook: Outlook | None = None) -> TaskView:
    raw = task_view(task, Urls(), base_url=BASE, now=NOW + 10, outlook=outlook)
    assert json.loads(json.dumps(raw, allow_nan=False)) == raw
    return TaskView.model_validate(raw)


@pytest.mark.parametrize("state", STATES)
def test_every_state_has_every_member_of_the_clients_model_and_no_other(state: str) -> None:
    raw = task_view(STATES[state], Urls(), base_url=BASE, now=NOW)
    assert set(raw) == set(TaskView.model_fields)
    assert set(raw["timings"]) == set(type(view(STATES[state]).timings).model_fields)
    assert view(STATES[state]).status == {"claimed": "processing"}.get(state, state)


def test_a_result_has_its_address_and_its_history() -> None:
    done = view(STATES["completed"])
    assert done.result_url == "https://cdn/images/x.png"
    assert (done.engine, done.progress) == ("noop", 1.0)
    assert done.provenance == {
        "engine": "noop",
        "result_key": "images/x.png",
        "seed": 7,
        "mask_key": "images/mask.png",
        "mask_url": "https://cdn/images/mask.png",
        "frame_key": "seedream/x.jpg",
        "frame_url": "https://cdn/seedream/x.jpg",
    }


@pytest.mark.parametrize("state", STATES)
def test_whatever_became_of_a_task_it_says_what_it_cost(state: str) -> None:
    assert view(STATES[state]).cost is None
    cost = {"usd": 0.03, "maybe_usd": 0.0, "calls": [{"step": "generate", "usd": 0.03}]}
    assert view(STATES[state].with_cost(cost)).cost == cost


def test_sizes_are_told_where_they_are_known() -> None:
    assert view(STATES["pending"]).inputs["image_url"].width == 640
    result = view(STATES["completed"]).result
    assert result is not None
    assert (result.width, result.height, result.bytes) == (8, 6, 99)
    older = view(HELD.complete("alice", 1, Outcome(result_key="k"), now=NOW + 4))
    assert (older.inputs, older.result) == ({}, None)


def test_a_result_an_older_service_keeps_elsewhere_has_its_own_address() -> None:
    task = HELD.complete("alice", 1, Outcome(result_url="https://old/x.png"), now=NOW + 4)
    assert view(task).result_url == "https://old/x.png"


def test_times_add_up() -> None:
    timings = view(STATES["completed"]).timings
    assert timings.model_dump() == {
        "queued_seconds": 2.0,
        "running_seconds": 2.0,
        "engine_seconds": 1.5,
        "total_seconds": 4.0,
        "overhead_seconds": 0.5,
        "stages": {
            "queued": 2.0,
            "waiting": 0.0,
            "waiting_for": {},
            "preparing": 0.0,
            "in_lane": 0.0,
            "engine": 1.5,
            "publishing": 0.0,
            "finishing": 0.5,
        },
    }


def test_what_is_waited_for_is_told_with_its_cure_and_the_next_try() -> None:
    unpaid = Failure.of(ProviderPaused("the bill is overdue", fix="Pay it."))
    waiting = HELD.park("alice", 1, unpaid, now=NOW + 4, until=NOW + 604)
    told = {"code": "provider_paused", "message": "the bill is overdue", "fix": "Pay it."}
    assert task_view(waiting, Urls(), base_url=BASE, now=NOW)["waiting_for"] == {
        **told,
        "until": NOW + 604,
    }
    queued = view(waiting.sending(now=NOW + 604))
    assert queued.waiting_for is not None
    assert queued.waiting_for.model_dump() == {**told, "until": None}
    again = waiting.sending(now=NOW + 604).claim("bob", now=NOW + 605, lease=60.0)
    assert view(again).waiting_for is None


def test_a_failure_is_for_programs_and_for_people() -> None:
    failed = view(STATES["failed"])
    assert failed.error_message == "broken"
    assert failed.error is not None
    assert failed.error.model_dump() == {
        "code": "engine_failed",
        "message": "broken",
        "retryable": False,
        "field": "prompt",
        "fix": "change it",
    }


@pytest.mark.parametrize(
    ("outlook", "position", "eta"),
    [(Outlook(3, 7.5), 3, 7.5), (Outlook(1, None), 1, None), (None, None, None)],
)
@pytest.mark.parametrize("state", ["pending", "claimed"])
def test_a_task_that_waits_knows_its_place(
    state: str, outlook: Outlook | None, position: int | None, eta: float | None
) -> None:
    waiting = view(STATES[state], outlook)
    assert (waiting.queue_position, waiting.eta_seconds) == (position, eta)


def test_what_its_service_tells_of_its_place_is_more_than_the_store_knows() -> None:
    told = HELD.heartbeat(
        "alice", 1, now=NOW + 3, lease=60, stage="queued", queue_position=5, expected_at=NOW + 52
    )
    waiting = view(told, Outlook(3, 7.5))
    assert (waiting.status, waiting.stage) == ("processing", "queued")
    assert (waiting.queue_position, waiting.eta_seconds) == (5, 42.0)
    assert view(replace(told, expected_at=None), Outlook(3, 7.5)).eta_seconds == 7.5
    assert view(replace(told, expected_at=NOW)).eta_seconds == 0.0


@pytest.mark.parametrize("state", ["processing", "completed", "failed", "cancelled"])
def test_only_a_task_that_waits_has_a_place(state: str) -> None:
    found = view(STATES[state], Outlook(3, 2.5))
    assert (found.queue_position, found.eta_seconds) == (None, None)


def test_while_its_lane_cannot_go_on_nobody_knows_how_long_it_will_be() -> None:
    away = Condition(since=NOW, code="no_worker", reason="no worker answers", fix="Start one.")
    raw = task_view(
        STATES["pending"], Urls(), base_url=BASE, now=NOW, outlook=Outlook(3, 7.5), lane=away
    )
    told = {
        "name": "gpu",
        "state": "unavailable",
        "since": NOW,
        "reason": "no worker answers",
        "fix": "Start one.",
    }
    assert json.loads(json.dumps(raw["lane"])) == told
    assert (raw["queue_position"], raw["eta_seconds"]) == (3, None)
    accepted = accepted_view(a_task(), BASE, lane=away)
    assert accepted["lane"] == told
    assert Accepted.model_validate(accepted).lane == TaskView.model_validate(raw).lane


def test_the_owner_the_lease_and_the_consent_stay_inside() -> None:
    task = a_task(consent={"granted_by": "A"}).claim("alice", now=NOW, lease=60)
    text = json.dumps(task_view(task, Urls(), base_url=BASE, now=NOW))
    assert "alice" not in text
    assert "granted_by" not in text
    assert '"local"' not in text


def test_what_a_submit_is_answered_with() -> None:
    accepted = Accepted.model_validate(accepted_view(a_task(), BASE))
    assert accepted.status == "pending"
    assert accepted.urls.self == "http://127.0.0.1:8080/api/v1/tasks/t1"
    assert accepted.urls.events == f"{accepted.urls.self}/events"
    assert accepted.urls.cancel == f"{accepted.urls.self}/cancel"
