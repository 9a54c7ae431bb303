"""Who is told, when it is tried again, and when nobody tries any more."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some
from standardwebhooks.webhooks import Webhook

from short_drama.domain.errors import EngineFailed, InvalidRequest, NewerFormat, WebhookNotFound
from short_drama.domain.failure import Failure
from short_drama.domain.outcome import Outcome
from short_drama.domain.record import record_of, task_of
from short_drama.domain.task import Task
from short_drama.domain.webhooks import (
    HOLD_SECONDS,
    MOST_ENDPOINTS,
    OVERLAP_SECONDS,
    Answer,
    Endpoint,
    Endpoints,
    Event,
    Notification,
    chosen,
    message,
    message_id,
)
from tests.samples import NOW, a_task

MASTER = b"m" * 32
HOUR = 3600.0


def an_endpoint(endpoint_id: str = "wh_1", **changes: Any) -> Endpoint:
    made = Endpoint(
        endpoint_id=endpoint_id,
        url="https://studio.example/hook",
        events=tuple(Event),
        created_at=NOW,
    )
    return replace(made, **changes)


def a_notification() -> Notification:
    return Notification(endpoint_id="wh_1", event=Event.TASK_FAILED, since=NOW, due_at=NOW)


def ended(**changes: Any) -> Task:
    task = a_task(webhooks=("wh_1", "wh_2"), **changes).claim("alice", now=NOW, lease=60.0)
    return task.complete("alice", 1, now=NOW + 5, outcome=Outcome())


@given(some.lists(some.floats(0, 1), min_size=20, max_size=20))
def test_a_silent_endpoint_is_tried_for_a_day_and_then_no_more(chances: list[float]) -> None:
    one, now, tries = a_notification(), NOW, 0
    for chance in chances:
        if one.due_at is None:
            break
        now = one.due_at
        one = one.begun(now=now)
        tries += 1
        assert one.due_at == now + HOLD_SECONDS
        one = one.answered(Answer(status=None, reason="silent"), now=now, chance=chance)
        assert one.due_at is None or one.due_at > now
    assert (one.state, tries, one.tries) == ("given_up", 11, 11)
    assert 17 * HOUR < now - NOW < 30 * HOUR


@pytest.mark.parametrize("status", [200, 201, 204])
def test_what_is_taken_is_delivered(status: int) -> None:
    one = a_notification().begun(now=NOW).answered(Answer(status=status), now=NOW + 1, chance=0)
    assert (one.state, one.delivered_at, one.due_at) == ("delivered", NOW + 1, None)


@pytest.mark.parametrize("status", [None, 199, 301, 302, 400, 404, 429, 500, 503])
def test_everything_else_is_tried_again(status: int | None) -> None:
    one = a_notification().begun(now=NOW).answered(Answer(status=status), now=NOW, chance=0.5)
    assert (one.state, one.due_at) == ("waiting", NOW + 5)


def test_gone_is_for_good() -> None:
    one = a_notification().begun(now=NOW).answered(Answer(status=410), now=NOW, chance=0)
    assert one.state == "given_up"


def test_who_asks_for_time_gets_it() -> None:
    answer = Answer(status=503, retry_after=900.0)
    one = a_notification().begun(now=NOW).answered(answer, now=NOW, chance=0)
    assert one.due_at == NOW + 900


def test_what_is_asked_for_once_more_has_all_its_tries() -> None:
    one = a_notification().begun(now=NOW).answered(Answer(status=410), now=NOW, chance=0)
    again = one.again(now=NOW + HOUR)
    assert (again.state, again.tries, again.due_at) == ("waiting", 0, NOW + HOUR)
    assert again.log == one.log


def test_a_message_has_one_id_for_all_its_tries_and_endpoints() -> None:
    one = a_notification()
    assert message_id("t1", one) == message_id("t1", replace(one.begun(now=NOW), endpoint_id="x"))
    assert message_id("t1", one) != message_id("t2", one)
    assert message_id("t1", one) != message_id("t1", replace(one, since=NOW + 1))


def test_each_end_tells_each_endpoint() -> None:
    task = ended()
    assert [(one.endpoint_id, one.event) for one in task.notifications] == [
        ("wh_1", Event.TASK_COMPLETED),
        ("wh_2", Event.TASK_COMPLETED),
    ]
    assert task.due_at == NOW + 5
    waiting = a_task(webhooks=("wh_1",))
    assert waiting.notifications == ()
    assert waiting.cancel(now=NOW).notifications[0].event is Event.TASK_CANCELLED
    failure = Failure.of(EngineFailed("broken"))
    failed = waiting.claim("a", now=NOW, lease=60).fail("a", 1, now=NOW, failure=failure)
    assert failed.notifications[0].event is Event.TASK_FAILED


def test_who_is_told_of_nobody_is_never_due() -> None:
    assert a_task().cancel(now=NOW).due_at is None


def test_a_task_is_due_until_the_last_endpoint_knows() -> None:
    task = ended()
    first = task.notified(
        lambda one: one.dropped("x", now=NOW) if one.endpoint_id == "wh_1" else one
    )
    assert first.due_at == NOW + 5
    assert first.notified(lambda one: one.dropped("x", now=NOW)).due_at is None


def test_notifications_are_a_part_of_the_record() -> None:
    task = ended()
    told = task.notified(lambda one: one.begun(now=NOW)).notified(
        lambda one: one.answered(Answer(status=500, reason="no"), now=NOW, chance=0.5)
    )
    for each in (task, told, a_task(webhooks=("wh_1",)), a_task()):
        assert task_of(record_of(each)) == each
    assert "webhooks" not in record_of(a_task())


# --- Endpoints ----------------------------------------------------------------------------


def test_only_who_has_proved_it_is_told() -> None:
    endpoint = an_endpoint()
    assert not endpoint.hears(Event.TASK_FAILED)
    verified = endpoint.verified(now=NOW)
    assert verified.hears(Event.TASK_FAILED)
    assert not replace(verified, events=(Event.TASK_COMPLETED,)).hears(Event.TASK_FAILED)
    disabled = verified.disabled("gone", now=NOW)
    assert not disabled.hears(Event.TASK_FAILED)
    assert disabled.verified(now=NOW).hears(Event.TASK_FAILED)
    endpoints = Endpoints("lin", (endpoint, replace(verified, endpoint_id="wh_2"), disabled))
    assert endpoints.open_ids == ("wh_2",)


def test_after_a_rotation_both_secrets_sign_for_a_day() -> None:
    endpoint = an_endpoint()
    (old,) = endpoint.secrets(MASTER, now=NOW)
    rotated = endpoint.rotated(now=NOW)
    new, overlapping = rotated.secrets(MASTER, now=NOW + OVERLAP_SECONDS - 1)
    assert (overlapping, old != new) == (old, True)
    assert rotated.secrets(MASTER, now=NOW + OVERLAP_SECONDS) == [new]
    assert Webhook(new)  # as the library reads it


def test_secrets_differ_by_endpoint_and_installation() -> None:
    endpoint = an_endpoint()
    others = [(MASTER, an_endpoint("wh_2")), (b"n" * 32, endpoint)]
    found = {endpoint.secrets(MASTER, now=NOW)[0]} | {
        one.secrets(master, now=NOW)[0] for master, one in others
    }
    assert len(found) == 3


def test_an_owner_has_only_so_many() -> None:
    endpoints = Endpoints("lin")
    for number in range(MOST_ENDPOINTS):
        endpoints = endpoints.with_another(an_endpoint(f"wh_{number}"))
    with pytest.raises(InvalidRequest, match="20"):
        endpoints.with_another(an_endpoint("wh_x"))
    assert len(endpoints.without("wh_3").all) == MOST_ENDPOINTS - 1
    with pytest.raises(WebhookNotFound):
        endpoints.without("wh_x")
    with pytest.raises(WebhookNotFound):
        endpoints.with_changed(an_endpoint("wh_x"))


def test_events_are_chosen_in_their_order() -> None:
    assert chosen([]) == list(Event)
    assert chosen(["task.failed", "task.completed", "task.failed"]) == [
        Event.TASK_COMPLETED,
        Event.TASK_FAILED,
    ]
    with pytest.raises(InvalidRequest, match=r"task\.gone"):
        chosen(["task.gone"])


def test_a_list_of_a_newer_release_is_not_misread() -> None:
    record = Endpoints("lin", (an_endpoint(),)).to_json()
    assert Endpoints.from_json("lin", 3, record).all == (
        replace(an_endpoint(), events=list(Event)),
    )
    with pytest.raises(NewerFormat):
        Endpoints.from_json("lin", 3, {**record, "format": 99})


def test_a_message_says_when_it_happened() -> None:
    assert message("task.failed", at=NOW + 0.25, data={"task_id": "t1"}) == {
        "type": "task.failed",
        "timestamp": "1970-01-12T13:46:40.250Z",
        "data": {"task_id": "t1"},
    }
