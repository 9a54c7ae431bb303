"""The promises of `ports.TaskStore`, and of `advance` on it, on every backend."""

import asyncio
import json
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from short_drama.domain.errors import (
    EngineFailed,
    InvalidRequest,
    TaskConflict,
    TaskNotFound,
    Unavailable,
)
from short_drama.domain.failure import Failure
from short_drama.domain.kinds import Lane
from short_drama.domain.outcome import Outcome
from short_drama.domain.task import Task
from short_drama.domain.task_state import TaskStatus
from short_drama.domain.webhooks import Answer
from short_drama.newest import advance
from short_drama.ports import Order, StaleTask, TaskCount, TaskExists, TaskFilter, TaskStore
from tests.contract.conftest import Ports
from tests.patience import within
from tests.samples import NOW, a_task

FAILURE = Failure.of(EngineFailed("broken", field="prompt", fix="change it"))


async def stored(store: TaskStore, *tasks: Task) -> list[Task]:
    return [await store.create(task) for task in tasks]


async def listed(store: TaskStore, **where: Any) -> list[str]:
    page = await store.list(TaskFilter(**where), cursor=None, limit=100)
    return [task.task_id for task in page.tasks]


def ids(tasks: Sequence[Task]) -> list[str]:
    return [task.task_id for task in tasks]


# --- Create and get -----------------------------------------------------------------------


async def test_an_unknown_task_is_none(store: TaskStore) -> None:
    assert await store.get("nothing") is None


async def test_a_created_task_reads_back_as_version_1(store: TaskStore) -> None:
    full = a_task(
        labels={"episode": "三", "empty": ""},
        consent={"granted_by": "A"},
        sources={"image_url": "https://a/b.png"},
        deadline=NOW + 0.125,
        request={"image_url": "asset:k", "zoom": 1, "cfg": 1.5, "nested": {"a": [1, None]}},
    )
    created = await store.create(full)
    assert created == replace(full, version=1)
    assert await store.get("t1") == created


async def test_a_task_in_any_state_reads_back(store: TaskStore) -> None:
    held = a_task("held").claim("alice", now=NOW, lease=60)
    told = held.heartbeat("alice", 1, now=NOW, lease=60, stage="running", progress=0.5)
    made = Outcome(result_key="k", details={"seed": 7})
    done = held.complete("alice", 1, made, now=NOW).with_cost({"usd": 0.02, "calls": []})
    for task in (told, done, held.fail("alice", 1, FAILURE, now=NOW), held.cancel(now=NOW)):
        named = replace(task, task_id=task.status)
        assert await store.create(named) == await store.get(named.task_id)


@pytest.mark.parametrize("number", [0.1, 1e-7, 1e16 + 2, 2.0**60, 1e23, 1e40, 2**63 - 1, -1.5e-9])
async def test_numbers_read_back_exactly(store: TaskStore, number: float) -> None:
    created = await store.create(a_task(request={"number": number}))
    assert created.request == {"number": number}
    assert await store.get("t1") == created


async def test_a_second_task_with_the_same_id_is_refused_and_shown_the_first(
    store: TaskStore,
) -> None:
    first = await store.create(a_task(owner="one"))
    with pytest.raises(TaskExists) as refused:
        await store.create(a_task(owner="two"))
    assert refused.value.task == first == await store.get("t1")


async def test_of_twenty_creates_at_once_one_succeeds(ports: Ports) -> None:
    async def create(number: int) -> Task | None:
        try:
            return await ports.store.create(a_task(labels={"number": str(number)}))
        except TaskExists as exists:
            return None if exists.task.task_id == "t1" else exists.task

    created = [task for task in await asyncio.gather(*map(create, range(20))) if task]
    assert len(created) == 1
    assert await ports.store.get("t1") == created[0]
    assert await listed(ports.store) == ["t1"]


async def test_a_new_task_is_queued_with_it_or_says_that_it_is_not(ports: Ports) -> None:
    task = await ports.store.create(a_task(outbox_due=NOW + 30))
    delivery = await ports.queue.receive(wait=0, lease=60)
    if task.outbox_due is not None:
        assert delivery is None
        return
    assert delivery is not None
    assert json.loads(delivery.body)["task_id"] == "t1"
    assert await ports.queue.receive(wait=0, lease=60) is None


async def test_a_refused_create_queues_nothing(ports: Ports) -> None:
    await ports.store.create(a_task())
    before = await ports.queue.depth()
    with pytest.raises(TaskExists):
        await ports.store.create(a_task())
    after = await ports.queue.depth()
    assert (after.waiting, after.in_flight) == (before.waiting, before.in_flight)


# --- Replace ------------------------------------------------------------------------------


async def test_a_replaced_task_has_the_next_version(store: TaskStore) -> None:
    task = await store.create(a_task())
    written = await store.replace(task.claim("alice", now=NOW, lease=60))
    assert (written.version, written.attempt) == (2, 1)
    assert await store.get("t1") == written


@pytest.mark.parametrize("version", [0, 1, 3, 99])
async def test_only_the_stored_version_may_be_written_over(store: TaskStore, version: int) -> None:
    task = await store.create(a_task())
    newest = await store.replace(task.claim("alice", now=NOW, lease=60))
    with pytest.raises(StaleTask):
        await store.replace(replace(newest.cancel(now=NOW), version=version))
    assert await store.get("t1") == newest


async def test_a_task_that_is_not_there_cannot_be_replaced(store: TaskStore) -> None:
    with pytest.raises(StaleTask):
        await store.replace(a_task(version=1))
    assert await store.get("t1") is None


async def test_of_twenty_writes_over_one_version_one_succeeds(store: TaskStore) -> None:
    task = await store.create(a_task())

    async def claim(number: int) -> Task | None:
        try:
            return await store.replace(task.claim(f"worker {number}", now=NOW, lease=60))
        except StaleTask:
            return None

    written = [won for won in await asyncio.gather(*map(claim, range(20))) if won]
    assert len(written) == 1
    assert await store.get("t1") == written[0]


# --- Advance ------------------------------------------------------------------------------


async def test_advance_applies_the_change_to_the_newest_version(store: TaskStore) -> None:
    task = await store.create(a_task())

    async def count(number: int) -> None:
        await advance(
            store, task, lambda found: replace(found, labels={**found.labels, str(number): "x"})
        )

    await asyncio.gather(*map(count, range(8)))
    newest = await store.get("t1")
    assert newest is not None
    assert (newest.version, sorted(newest.labels)) == (9, list("01234567"))


async def test_advance_passes_on_why_the_newest_version_refuses(store: TaskStore) -> None:
    task = await store.create(a_task())
    await store.replace(task.cancel(now=NOW))
    with pytest.raises(TaskConflict):
        await advance(store, task, lambda found: found.claim("alice", now=NOW, lease=60))


async def test_advance_says_when_the_task_is_gone(store: TaskStore) -> None:
    with pytest.raises(TaskNotFound):
        await advance(store, a_task(version=1), lambda found: found)


async def test_advance_gives_up_when_others_always_write_first(store: TaskStore) -> None:
    task = await store.create(a_task())
    with pytest.raises(Unavailable):
        await advance(store, task, lambda found: replace(found, version=99))


# --- Wait for change ----------------------------------------------------------------------


async def test_a_change_wakes_who_waits(store: TaskStore, tick: float, prompt: float) -> None:
    task = await store.create(a_task())
    waiting = [
        asyncio.create_task(store.wait_for_change("t1", task.version, timeout=30)) for _ in range(3)
    ]
    await asyncio.sleep(tick)
    assert not any(one.done() for one in waiting)
    with within(prompt):
        written = await store.replace(task.cancel(now=NOW))
        assert await asyncio.gather(*waiting) == [written] * 3


async def test_an_older_version_is_answered_at_once(store: TaskStore, prompt: float) -> None:
    task = await store.create(a_task())
    written = await store.replace(task.cancel(now=NOW))
    with within(prompt):
        assert await store.wait_for_change("t1", task.version, timeout=30) == written
        assert await store.wait_for_change("t1", 99, timeout=30) == written


async def test_without_a_change_the_task_is_answered_as_it_is(
    store: TaskStore, tick: float
) -> None:
    task = await store.create(a_task())
    started = time.monotonic()
    assert await store.wait_for_change("t1", task.version, timeout=tick) == task
    assert time.monotonic() - started >= tick * 0.9
    assert await store.wait_for_change("t1", task.version, timeout=0) == task


async def test_another_tasks_change_is_not_this_ones(store: TaskStore, tick: float) -> None:
    one, other = await stored(store, a_task("one"), a_task("other"))
    waiting = asyncio.create_task(store.wait_for_change("one", one.version, timeout=4 * tick))
    await asyncio.sleep(tick)
    await store.replace(other.cancel(now=NOW))
    assert await waiting == one


async def test_waiting_for_an_unknown_task_is_none(store: TaskStore, prompt: float) -> None:
    with within(prompt):
        assert await store.wait_for_change("nothing", 1, timeout=30) is None


# --- Lists --------------------------------------------------------------------------------


async def test_the_newest_task_comes_first(store: TaskStore) -> None:
    assert await listed(store) == []
    await stored(store, *(a_task(str(at), created_at=NOW + at) for at in (1, 3, 2)))
    assert await listed(store) == ["3", "2", "1"]


FILTERED = [
    a_task("a", created_at=NOW),
    a_task("b", created_at=NOW + 1, kind="face-mask", labels={"episode": "3", "shot": "7"}),
    a_task("c", created_at=NOW + 2, kind="qwen-image-edit", labels={"episode": "3"}),
    a_task("d", created_at=NOW + 3, owner="other", labels={"episode": "33"}),
    a_task("e", created_at=NOW + 4).cancel(now=NOW),
]


@pytest.mark.parametrize(
    ("where", "found"),
    [
        ({}, "edcba"),
        ({"owner": "local"}, "ecba"),
        ({"owner": "nobody"}, ""),
        ({"lane": Lane.CPU}, "b"),
        ({"kinds": ["camera-angle"]}, "eda"),
        ({"statuses": [TaskStatus.CANCELLED]}, "e"),
        ({"statuses": [TaskStatus.PENDING]}, "dcba"),
        ({"labels": [("episode", "3")]}, "cb"),
        ({"labels": [("shot", "7")]}, "b"),
        ({"labels": [("shot", "")]}, ""),
        ({"labels": [("3", "episode")]}, ""),
        ({"labels": [("episode", "3")], "lane": Lane.GPU}, "c"),
        ({"owner": "other", "statuses": [TaskStatus.CANCELLED]}, ""),
    ],
)
async def test_every_given_filter_must_match(
    store: TaskStore, where: dict[str, Any], found: str
) -> None:
    await stored(store, *FILTERED)
    assert "".join(await listed(store, **where)) == found


# Few of each, so that many filters match something.
MADE = [
    a_task(
        f"t{number:02}",
        created_at=NOW + number // 3,  # three of each moment
        kind=("camera-angle", "face-mask", "qwen-image-edit")[number % 3],
        owner="other" if number % 5 == 0 else "local",
        status=(TaskStatus.PENDING, TaskStatus.FAILED, TaskStatus.COMPLETED)[number // 2 % 3],
        labels={
            "episode": str(number % 4),
            **({"shot": "7"} if number % 3 else {}),
            **({"project": "p"} if number % 4 else {}),
        },
        request={"image_url": "asset:x", "prompt": "Warm 50% light" if number % 2 else "a_b"},
        derived_from=({"task_id": f"t0{number % 3}", "field": "image_url"},) if number % 4 else (),
        deleted_at=NOW if number // 2 % 3 and number % 7 == 0 else None,
    )
    for number in range(30)
]
a_moment = st.none() | st.sampled_from([NOW - 1, NOW, NOW + 2.5, NOW + 4, NOW + 9, NOW + 99])
some_filter = st.builds(
    TaskFilter,
    owner=st.sampled_from([None, "local", "other", "nobody"]),
    lane=st.sampled_from([None, None, *Lane]),
    statuses=st.lists(st.sampled_from(TaskStatus), max_size=3),
    kinds=st.lists(st.sampled_from(["camera-angle", "face-mask", "face-swap"]), max_size=2),
    labels=st.lists(
        st.sampled_from(
            [("episode", "1"), ("episode", "2"), ("shot", "7"), ("shot", "8"), ("project", "p")]
        ),
        max_size=3,
    ),
    created_after=a_moment,
    created_before=a_moment,
    text=st.sampled_from([None, None, "LIGHT", "50%", "a_", "e:1", "T1", "nothing"]),
    derived_from=st.sampled_from([None, None, "t01", "t99"]),
    is_deleted=st.sampled_from([False, False, True]),
)


def is_wanted(task: Task, where: TaskFilter) -> bool:
    """The promise, in plain words."""
    return (
        (where.owner is None or task.owner == where.owner)
        and (where.lane is None or task.lane == where.lane)
        and (not where.statuses or task.status in where.statuses)
        and (not where.kinds or task.kind in where.kinds)
        and set(where.labels) <= set(task.labels.items())
        and (where.created_after is None or task.created_at >= where.created_after)
        and (where.created_before is None or task.created_at < where.created_before)
        and (where.text is None or is_in(where.text, task))
        and (where.derived_from in (None, *(one["task_id"] for one in task.derived_from)))
        and where.is_deleted == bool(task.deleted_at)
    )


def is_in(text: str, task: Task) -> bool:
    labels = [f"{key}:{value}" for key, value in task.labels.items()]
    return any(
        text.lower() in one.lower() for one in (task.task_id, task.request["prompt"], *labels)
    )


async def test_any_filters_together_find_what_matches_all(store: TaskStore) -> None:
    await stored(store, *MADE)
    wanted: list[tuple[TaskFilter, int, Order]] = []

    @settings(max_examples=40, database=None)
    @given(some_filter, st.integers(1, 12), st.sampled_from([Order.NEWEST, Order.OLDEST]))
    def want(where: TaskFilter, limit: int, order: Order) -> None:
        wanted.append((where, limit, order))

    want()
    for where, limit, order in wanted:
        seen: list[str] = []
        cursor, more = None, True
        while more:
            page = await store.list(where, cursor=cursor, limit=limit, order=order)
            assert len(page.tasks) <= limit
            seen += ids(page.tasks)
            cursor, more = page.next_cursor, page.next_cursor is not None
        in_order = MADE if order is Order.OLDEST else MADE[::-1]
        assert seen == [task.task_id for task in in_order if is_wanted(task, where)], where
        count = await store.count(where, most=limit)
        assert count.count <= min(limit, len(seen))
        assert not count.is_whole or count.count == len(seen)


async def test_tasks_are_counted_up_to_a_bound(store: TaskStore) -> None:
    await stored(store, *FILTERED)
    for where, found in (({}, 5), ({"owner": "local"}, 4), ({"labels": [("episode", "3")]}, 2)):
        wanted = TaskFilter(**where)
        assert await store.count(wanted, most=10) == TaskCount(found, is_whole=True)
        assert await store.count(wanted, most=1) == TaskCount(1, is_whole=False)


async def test_a_deleted_task_is_hidden_and_restored(store: TaskStore) -> None:
    task = a_task("t", labels={"episode": "3", "shot": "7"}).cancel(now=NOW)
    (made,) = await stored(store, task)
    deleted = await store.replace(made.delete(now=NOW))
    assert await store.get("t") == deleted
    for where in ({}, {"labels": [("episode", "3")]}, {"statuses": [TaskStatus.CANCELLED]}):
        assert await listed(store, **where) == []
        assert await listed(store, **where, is_deleted=True) == ["t"]
    assert await listed(store, labels=[("episode", "4")], is_deleted=True) == []
    await store.replace(deleted.restore())
    assert await listed(store, labels=[("episode", "3")]) == ["t"]
    assert await listed(store, is_deleted=True) == []


@pytest.mark.parametrize("key", ["猫", "status", "a.b", "#x", "$[0]"])
async def test_a_label_may_have_any_name(store: TaskStore, key: str) -> None:
    await stored(store, a_task("yes", labels={key: "x"}), a_task("no", labels={"other": "x"}))
    assert await listed(store, labels=[(key, "x")]) == ["yes"]


async def test_a_task_that_changes_meanwhile_is_listed_once_at_most(store: TaskStore) -> None:
    tasks = await stored(store, *(a_task(str(n), created_at=NOW + n) for n in range(8)))
    claims = [store.replace(task.claim("alice", now=NOW, lease=60)) for task in tasks]
    writing = asyncio.gather(*claims)
    for seen in await asyncio.gather(*(listed(store) for _ in range(3))):
        assert len(seen) == len(set(seen))
    await writing
    assert await listed(store) == [task.task_id for task in tasks][::-1]


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 8])
async def test_pages_together_are_the_list(store: TaskStore, limit: int) -> None:
    # Pairs of equal times: a page may end between two tasks of the same moment.
    await stored(store, *(a_task(str(n), created_at=NOW + n // 2) for n in range(7)))
    seen: list[str] = []
    cursor = None
    while True:
        page = await store.list(TaskFilter(), cursor=cursor, limit=limit)
        assert len(page.tasks) <= limit
        seen += ids(page.tasks)
        cursor = page.next_cursor
        if cursor is None:
            break
    assert seen == ["6", "5", "4", "3", "2", "1", "0"]


async def test_tasks_that_arrive_meanwhile_do_not_shift_the_pages(store: TaskStore) -> None:
    await stored(store, *(a_task(str(n), created_at=NOW + n) for n in range(6)))
    first = await store.list(TaskFilter(), cursor=None, limit=3)
    await stored(store, *(a_task(f"new {n}", created_at=NOW + 100 + n) for n in range(5)))
    second = await store.list(TaskFilter(), cursor=first.next_cursor, limit=3)
    assert ids(first.tasks) + ids(second.tasks) == ["5", "4", "3", "2", "1", "0"]
    assert second.next_cursor is None


async def test_a_cursor_keeps_to_its_filter(store: TaskStore) -> None:
    await stored(store, *FILTERED)
    where = TaskFilter(owner="local", statuses=[TaskStatus.PENDING])
    first = await store.list(where, cursor=None, limit=2)
    second = await store.list(where, cursor=first.next_cursor, limit=2)
    assert (ids(first.tasks), ids(second.tasks)) == (["c", "b"], ["a"])


@pytest.mark.parametrize(
    "cursor", ["", "x", "猫", "%%%", "AAAA", "bm90IGEgdGltZSB0MQ==", "a" * 399]
)
async def test_a_malformed_cursor_is_refused(store: TaskStore, cursor: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        await store.list(TaskFilter(), cursor=cursor, limit=3)
    assert refused.value.field == "cursor"


# --- What is due --------------------------------------------------------------------------


async def test_what_is_due_comes_most_overdue_first(store: TaskStore) -> None:
    held = a_task("held").claim("alice", now=NOW - 55, lease=60)
    await stored(
        store,
        a_task("open"),
        a_task("late", deadline=NOW + 3),
        held,
        a_task("ended", deadline=NOW + 1).cancel(now=NOW),
        a_task("first", deadline=NOW + 2),
        a_task("future", deadline=NOW + 99),
    )
    assert ids(await store.due(NOW + 10, limit=10)) == ["first", "late", "held"]
    assert ids(await store.due(NOW + 10, limit=2)) == ["first", "late"]
    assert ids(await store.due(NOW + 2, limit=10)) == ["first"]
    assert await store.due(NOW, limit=10) == []


async def test_who_ended_is_due_while_somebody_is_to_be_told(store: TaskStore) -> None:
    task = await store.create(a_task(webhooks=("wh_1",)))
    ended = await store.replace(task.cancel(now=NOW + 1))
    (due,) = await store.due(NOW + 1, limit=10)
    assert due == ended
    told = due.notified(lambda one: one.answered(Answer(status=200), now=NOW + 2, chance=0))
    assert await store.replace(told) == await store.get("t1")
    assert await store.due(NOW + 10, limit=10) == []


async def test_a_write_changes_when_a_task_is_due(store: TaskStore) -> None:
    task = await store.create(a_task(deadline=NOW + 5))
    await store.replace(task.cancel(now=NOW))
    assert await store.due(NOW + 10, limit=10) == []


# --- What an owner has under way ----------------------------------------------------------


async def test_an_owners_tasks_under_way_are_counted_by_lane(store: TaskStore) -> None:
    assert await store.count_open("a", Lane.GPU, most=9) == 0
    waiting, held, ended = await stored(store, *(a_task(f"a{each}", owner="a") for each in "123"))
    await stored(store, a_task("b1", owner="b"), a_task("a4", owner="a", kind="face-mask"))
    await store.replace(held.claim("alice", now=NOW, lease=60))
    await store.replace(ended.cancel(now=NOW))
    assert waiting.status is TaskStatus.PENDING
    assert await store.count_open("a", Lane.GPU, most=9) == 2
    assert await store.count_open("a", Lane.GPU, most=1) == 1
    assert await store.count_open("a", Lane.CPU, most=9) == 1


# --- The oldest that waits ----------------------------------------------------------------


async def test_the_longest_waiting_task_is_the_pending_one_created_first(store: TaskStore) -> None:
    assert await store.oldest_pending(Lane.GPU) is None
    await stored(
        store,
        a_task("newer", created_at=NOW + 2),
        a_task("oldest", created_at=NOW + 1.5),
        a_task("other-lane", kind="face-mask", created_at=NOW + 1),
        a_task("claimed", created_at=NOW).claim("alice", now=NOW, lease=60),
        a_task("ended", created_at=NOW).cancel(now=NOW),
    )
    assert await store.oldest_pending(Lane.GPU) == NOW + 1.5
    assert await store.oldest_pending(Lane.CPU) == NOW + 1


async def test_a_task_that_goes_back_to_pending_waits_since_its_creation(store: TaskStore) -> None:
    claimed = await store.create(a_task(created_at=NOW).claim("alice", now=NOW, lease=60))
    assert await store.oldest_pending(Lane.GPU) is None
    await store.replace(claimed.give_back("alice", 1, now=NOW + 5))
    assert await store.oldest_pending(Lane.GPU) == NOW


# --- Outlook ------------------------------------------------------------------------------


def held(task_id: str, *, stage: str | None = None, **news: Any) -> Task:
    """One that a worker holds, whose job is in this stage."""
    claimed = a_task(task_id, created_at=NOW).claim(task_id, now=NOW, lease=60)
    return claimed.heartbeat(task_id, 1, now=NOW, lease=60, stage=stage, **news)


async def test_a_pending_task_is_behind_the_earlier_ones_of_its_lane(store: TaskStore) -> None:
    await stored(
        store,
        a_task("first", created_at=NOW),
        a_task("cpu", kind="face-mask", created_at=NOW),
        a_task("ended", created_at=NOW).cancel(now=NOW),
        held("running", stage="running"),
        a_task("edit", kind="qwen-image-edit", created_at=NOW + 1),
    )
    task = await store.create(a_task("mine", created_at=NOW + 2))
    outlook = await store.outlook(task)
    assert (outlook.position, outlook.eta_seconds) == (3, None)


async def test_a_pending_task_is_behind_those_that_wait_in_services(store: TaskStore) -> None:
    await stored(
        store,
        held("running", stage="running"),
        held("publishing", stage="publishing"),
        held("queued", stage="queued"),
        held("preparing", stage="preparing"),
        held("claimed"),
        a_task("cpu", kind="face-mask").claim("cpu", now=NOW, lease=60),
    )
    task = await store.create(a_task("mine", created_at=NOW + 2))
    assert (await store.outlook(task)).position == 4


async def test_prompts_of_strangers_before_those_that_wait_are_before_it_too(
    store: TaskStore,
) -> None:
    await stored(store, held("one", stage="queued", queue_position=21), held("two"))
    task = await store.create(a_task("mine", created_at=NOW + 2))
    assert (await store.outlook(task)).position == 22


async def test_a_task_that_was_just_taken_up_keeps_its_place(store: TaskStore) -> None:
    await stored(store, held("running", stage="running"), held("older", stage="queued"))
    await store.create(a_task("pending", created_at=NOW + 1))
    task = await store.create(a_task("mine", created_at=NOW + 2))
    await stored(store, a_task("younger", created_at=NOW + 3).claim("y", now=NOW, lease=60))
    assert (await store.outlook(task)).position == 4
    claimed = await store.replace(task.claim("alice", now=NOW + 3, lease=60))
    assert (await store.outlook(claimed)).position == 2


async def test_the_time_each_takes_is_the_median_of_what_its_kind_took(store: TaskStore) -> None:
    for number, seconds in enumerate((1.0, 3.0, 100.0)):
        waited = held(str(number), stage="running", waited=40.0)
        await store.create(waited.complete(str(number), 1, Outcome(), now=NOW + 40 + seconds))
    failed = held("failed").fail("failed", 1, FAILURE, now=NOW + 0.1)
    await store.create(failed)
    other = a_task("other", kind="qwen-image-edit").claim("alice", now=NOW, lease=60)
    await store.create(other.complete("alice", 1, Outcome(), now=NOW + 50))
    task = await store.create(a_task("mine"))
    assert (await store.outlook(task)).eta_seconds == pytest.approx(3.0)
