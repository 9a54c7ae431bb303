"""The promises of `ports.ShotStore`, and of lists of tasks in shot order."""

import asyncio
from dataclasses import replace

import pytest

from short_drama.domain.errors import InvalidRequest
from short_drama.domain.picks import Choice, Picks
from short_drama.domain.shots import Shot
from short_drama.domain.task import Task
from short_drama.ports import Order, ShotStore, StalePicks, TaskFilter, TaskStore
from tests.samples import NOW, a_task

EPISODE = [Shot(project="夜幕", episode="3", shot=shot) for shot in ("SH2", "10", "10A", "sh 11")]
OTHERS = [
    Shot(project="夜幕", episode="12", shot="1"),
    Shot(project="夜", episode="3", shot="1"),
    Shot(shot="1"),
]


def take(shot: Shot, number: int, **changes: object) -> Task:
    made = a_task(f"{shot.shot}-{shot.episode}-{shot.project}-{number}", created_at=NOW + number)
    return replace(made, labels={**shot.labels, "take": str(number)}, **changes)  # type: ignore[arg-type]


async def a_series(store: TaskStore) -> None:
    for number in (1, 2, 3):
        for shot in reversed([*EPISODE, *OTHERS]):
            await store.create(take(shot, number))
    await store.create(replace(take(EPISODE[0], 9), owner="other", task_id="other's"))
    await store.create(a_task("of no shot", labels={"project": "夜幕", "episode": "3"}))


async def all_shots(
    shots: ShotStore, project: str, episode: str | None = None, *, limit: int = 2
) -> list[Shot]:
    found: list[Shot] = []
    cursor: str | None = None
    for _ in range(20):
        page = await shots.list("local", project, episode, cursor=cursor, limit=limit)
        assert len(page.shots) <= limit
        found += page.shots
        cursor = page.next_cursor
        if cursor is None:
            return found
    raise AssertionError("the list has no end")


async def test_shots_are_listed_in_their_order(store: TaskStore, shots: ShotStore) -> None:
    await a_series(store)
    assert await all_shots(shots, "夜幕", "3") == EPISODE
    assert await all_shots(shots, "夜幕") == [*EPISODE, OTHERS[0]]
    assert await all_shots(shots, "夜", limit=50) == [OTHERS[1]]
    assert await all_shots(shots, "") == [OTHERS[2]]
    assert await all_shots(shots, "nothing") == []
    assert (await shots.list("nobody", "夜幕", None, cursor=None, limit=9)).shots == []


@pytest.mark.parametrize("cursor", ["x", "é", "bm90IG91cnM=", "WzEsIDJd"])
async def test_a_foreign_cursor_is_refused(store: TaskStore, shots: ShotStore, cursor: str) -> None:
    await a_series(store)
    with pytest.raises(InvalidRequest):
        await shots.list("local", "夜幕", None, cursor=cursor, limit=9)
    with pytest.raises(InvalidRequest):
        await store.list(TaskFilter(owner="local"), cursor=cursor, limit=9, order=Order.SHOT)


async def test_a_shots_takes_are_the_newest_first(store: TaskStore, shots: ShotStore) -> None:
    await a_series(store)
    first, none = EPISODE[0], Shot(shot="none")
    found = await shots.takes("local", [first, none], most=2)
    assert [task.labels["take"] for task in found[first]] == ["3", "2"]
    assert list(found[none]) == []
    gone = await store.replace(found[first][0].cancel(now=NOW).delete(now=NOW))
    found = await shots.takes("local", [first], most=5)
    assert [task.labels["take"] for task in found[first]] == ["2", "1"]
    await store.replace(gone.restore())
    assert len((await shots.takes("local", [first], most=5))[first]) == 3


async def test_tasks_are_listed_in_shot_order(store: TaskStore) -> None:
    await a_series(store)
    for limit in (1, 3, 50):
        where = TaskFilter(owner="local", labels=[("project", "夜幕")])
        found: list[Task] = []
        cursor: str | None = None
        for _ in range(40):
            page = await store.list(where, cursor=cursor, limit=limit, order=Order.SHOT)
            found += page.tasks
            cursor = page.next_cursor
            if cursor is None:
                break
        assert cursor is None
        in_order = [(shot, number) for shot in [*EPISODE, OTHERS[0]] for number in "123"]
        assert [(Shot.of(task.labels), task.labels["take"]) for task in found] == in_order
    of_all = await store.list(TaskFilter(owner="local"), cursor=None, limit=50, order=Order.SHOT)
    assert [task.labels["shot"] for task in of_all.tasks[:6]] == ["1"] * 6
    assert len(of_all.tasks) == 3 * 7


# --- Picks --------------------------------------------------------------------------------

SHOT = Shot(project="p", episode="1", scene="2", shot="7")
NOTHING = Picks(owner="local", shot=SHOT)
MADE = Choice(at=NOW, by="abc", note="光线更好", task_id="t1")
SENT = Choice(at=NOW + 1, asset_key="uploads/local/x.png")


async def test_what_is_picked_reads_back(shots: ShotStore, store: TaskStore) -> None:
    assert await shots.picks("local", [SHOT]) == {SHOT: NOTHING}
    first = await shots.write(NOTHING.choose(MADE))
    assert first == replace(NOTHING, choices=(MADE,), version=1)
    second = await shots.write(first.choose(SENT))
    assert await shots.picks("local", [SHOT, EPISODE[0]]) == {
        SHOT: replace(NOTHING, choices=(MADE, SENT), version=2),
        EPISODE[0]: Picks(owner="local", shot=EPISODE[0]),
    }
    assert second.current == SENT
    assert (await shots.picks("other", [SHOT]))[SHOT].version == 0


async def test_a_shot_without_tasks_is_listed_once_something_is_picked(
    shots: ShotStore, store: TaskStore
) -> None:
    await shots.write(NOTHING.choose(SENT))
    assert await all_shots(shots, "p") == [SHOT]
    assert (await shots.takes("local", [SHOT], most=5))[SHOT] == []


async def test_of_many_writes_over_one_version_one_succeeds(
    shots: ShotStore, store: TaskStore
) -> None:
    for version in (0, 1):
        found = (await shots.picks("local", [SHOT]))[SHOT]
        assert found.version == version
        choices = [Choice(at=NOW, task_id=f"t{version}{number}") for number in range(8)]
        writes = (shots.write(found.choose(choice)) for choice in choices)
        done = await asyncio.gather(*writes, return_exceptions=True)
        won = [one for one in done if isinstance(one, Picks)]
        assert len(won) == 1
        assert all(isinstance(one, (Picks, StalePicks)) for one in done)
        assert (await shots.picks("local", [SHOT]))[SHOT] == won[0]


async def test_picks_are_no_tasks(shots: ShotStore, store: TaskStore) -> None:
    await shots.write(NOTHING.choose(MADE))
    assert (await store.list(TaskFilter(), cursor=None, limit=9)).tasks == []
    assert await store.due(NOW * 2, limit=9) == []
