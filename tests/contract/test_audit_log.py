"""The promises of `ports.AuditLog`, and of the stores that write lines with their tasks."""

import asyncio

import pytest

from short_drama.domain.audit import DONE, AuditFilter, AuditLine, verified
from short_drama.domain.errors import InvalidRequest
from short_drama.ports import AuditLog, StaleTask, TaskExists, TaskStore
from tests.samples import NOW, a_task

ALL = AuditFilter()


def a_line(number: int = 0, *, action: str = "task.submit", owner: str = "lin") -> AuditLine:
    return AuditLine(
        at=NOW + number + 0.125,
        action=action,
        owner=owner,
        key_id="a1b2c3d4",
        origin="198.51.100.7",
        target=f"task-{number}",
        about="导演",
    )


async def lines(audit: AuditLog, where: AuditFilter = ALL, *, each: int = 50) -> list[AuditLine]:
    """Of all pages."""
    found, cursor = [], None
    for _ in range(100):
        page = await audit.list(where, cursor=cursor, limit=each)
        assert len(page.entries) <= each
        found += [entry.line for entry in page.entries]
        if (cursor := page.next_cursor) is None:
            return found
    raise AssertionError("the pages have no end")


async def test_a_line_is_found_as_it_was_written(audit: AuditLog) -> None:
    line = a_line()
    await audit.append(line)
    assert await lines(audit) == [line]
    assert [entry.line async for entry in audit.every()] == [line]


async def test_pages_are_newest_first_and_leave_nothing_out(audit: AuditLog) -> None:
    written = [a_line(number) for number in range(7)]
    for line in written:
        await audit.append(line)
    assert await lines(audit, each=3) == written[::-1]
    assert [entry.line async for entry in audit.every()] == written


async def test_lists_are_narrowed_by_each_member(audit: AuditLog) -> None:
    written = [a_line(0), a_line(1, owner="zhou"), a_line(2, action="task.cancel"), a_line(3)]
    for line in written:
        await audit.append(line)
    wanted = {
        AuditFilter(owner="zhou"): [1],
        AuditFilter(action="task.cancel"): [2],
        AuditFilter(target="task-3"): [3],
        AuditFilter(since=written[1].at, until=written[3].at): [2, 1],
        AuditFilter(owner="nobody"): [],
        AuditFilter(since=NOW + 9, until=NOW): [],
    }
    for where, numbers in wanted.items():
        assert await lines(audit, where, each=2) == [written[number] for number in numbers]


async def test_a_cursor_that_nobody_gave_is_refused(audit: AuditLog) -> None:
    with pytest.raises(InvalidRequest):
        await audit.list(ALL, cursor="nonsense", limit=5)


async def test_what_was_written_side_by_side_is_all_there_and_sound(audit: AuditLog) -> None:
    await asyncio.gather(*(audit.append(a_line(number)) for number in range(20)))
    assert len(await lines(audit)) == 20
    verdict = await verified(audit.every())
    assert (verdict.entries, verdict.faults) == (20, [])


async def test_a_task_and_its_line_are_written_together(store: TaskStore, audit: AuditLog) -> None:
    made = await store.create(a_task("t1"), line=a_line(1))
    await store.replace(made, line=a_line(2, action="task.cancel"))
    assert await lines(audit) == [a_line(2, action="task.cancel"), a_line(1)]


async def test_what_is_refused_leaves_no_line(store: TaskStore, audit: AuditLog) -> None:
    made = await store.create(a_task("t1"), line=a_line(1))
    await store.replace(made)
    with pytest.raises(TaskExists) as exists:
        await store.create(a_task("t1"), line=a_line(2))
    assert exists.value.task.task_id == "t1"
    with pytest.raises(StaleTask):
        await store.replace(made, line=a_line(3))
    found = await lines(audit)
    assert [(line.target, line.outcome) for line in found] == [("task-1", DONE)]
