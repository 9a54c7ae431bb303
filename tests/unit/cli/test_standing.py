"""The one line that says how a process stands."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from short_drama.cli.standing import counted, standing, told, under_way
from short_drama.domain.errors import EngineNotReady, EngineStarting, ShortDramaError, Unavailable
from short_drama.service_manager import ServiceManager
from short_drama.settings import Settings
from short_drama.wiring.components import Component
from short_drama.wiring.stopping import stop_seconds
from tests.patience import SOON


def checked(error: ShortDramaError | None = None) -> Any:
    async def check(*_: str) -> None:
        if error is not None:
            raise error

    return SimpleNamespace(check=check)


def app(error: ShortDramaError | None = None) -> Any:
    return SimpleNamespace(state=checked(error))


def stack(
    *apps: Any,
    held: tuple[int, ...] = (),
    running: tuple[int, ...] = (),
    refused: ShortDramaError | None = None,
) -> Any:
    return SimpleNamespace(
        backend=checked(refused),
        apps=dict(enumerate(apps)),
        consumers=[SimpleNamespace(held=count) for count in held],
        runners=[SimpleNamespace(running=count) for count in running],
    )


AWAY, MISSING = EngineStarting("ComfyUI does not answer"), EngineNotReady("a file is missing")
REFUSED = Unavailable("AWS refuses")


@pytest.mark.parametrize(
    ("parts", "line"),
    [
        (stack(), "ready"),
        (stack(app()), "ready"),
        (stack(app(), running=(3,)), "ready; 3 running"),
        (stack(held=(1, 2), running=(9,)), "ready; 3 running"),
        (stack(held=(0,), refused=REFUSED), "waiting: AWS refuses"),
        (stack(app(AWAY)), "waiting: ComfyUI does not answer"),
        (stack(app(AWAY), app(AWAY)), "waiting: ComfyUI does not answer"),
        (
            stack(app(AWAY), app(), app(MISSING), running=(1,)),
            "waiting: ComfyUI does not answer; a file is missing; 1 running",
        ),
    ],
)
async def test_the_line(parts: Any, line: str) -> None:
    assert await standing(parts) == line


@pytest.mark.parametrize(
    ("parts", "tasks"), [(stack(), 0), (stack(running=(2, 1)), 3), (stack(held=(1, 0)), 1)]
)
def test_what_is_under_way(parts: Any, tasks: int) -> None:
    assert under_way(parts) == tasks


def test_tasks_are_counted_in_words() -> None:
    assert [counted(number) for number in (0, 1, 2)] == ["0 tasks", "1 task", "2 tasks"]


class Told(ServiceManager):
    """Keeps what it was told, and says when there is more."""

    def __init__(self) -> None:
        super().__init__("/nowhere")
        self.lines: asyncio.Queue[str] = asyncio.Queue()

    async def status(self, line: str) -> None:
        await self.lines.put(line)


async def test_the_line_changes_at_once_when_it_is_to_stop() -> None:
    manager, stopping = Told(), asyncio.Event()
    async with asyncio.timeout(SOON), told(stack(held=(1,)), manager, stopping):
        assert await manager.lines.get() == "ready; 1 running"
        stopping.set()
        assert await manager.lines.get() == "draining, 1 task"


async def test_nobody_is_told_without_a_manager() -> None:
    async with told(stack(), ServiceManager(None), asyncio.Event()):
        assert len(asyncio.all_tasks()) == 1


def test_a_stop_takes_as_long_as_what_is_waited_for() -> None:
    settings = Settings(drain_seconds=5, qwen_read_seconds=100, seedream_read_seconds=200)
    short = stop_seconds(settings, [Component.GPU_ADAPTER])
    assert 5 < short < 100
    assert stop_seconds(settings, list(Component)) == short + 10 + 1.25 * 200
