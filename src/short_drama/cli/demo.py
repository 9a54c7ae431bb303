"""Play the demo on a service, show how it went, and say honestly whether it went well."""

import asyncio
import contextlib
import json
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.markup import escape
from rich.progress import Progress, TaskID
from rich.table import Table

from short_drama.cli import display, host, models
from short_drama.cli.configuration import read_settings
from short_drama.cli.connection import reported
from short_drama.cli.exits import EXIT_FAILED, EXIT_USAGE, Problem
from short_drama.cli.showcase import pictures, sheet
from short_drama.cli.showcase.scenes import Scene, Stage
from short_drama.cli.terminal import say
from short_drama.domain.kinds import KINDS
from short_drama.sdk.client import AsyncClient
from short_drama.sdk.models import TaskView
from short_drama.wiring.components import FREE_PORTS, Component


def demo(*, output: Path, url: str | None, cpu_url: str | None) -> None:
    if bool(url) != bool(cpu_url):
        raise Problem(
            "the demo uses both lanes", fix="Give both --url and --cpu-url.", code=EXIT_USAGE
        )
    settings = read_settings()
    models.require(settings, samples=True)
    with reported():
        output.mkdir(parents=True, exist_ok=True)
        scenes = asyncio.run(
            _play(settings.samples_dir, (url, cpu_url) if url and cpu_url else None)
        )
        _write(output, scenes)
    display.console().print(_table(scenes))
    say(f"Wrote {output / 'contact-sheet.png'} and {output / 'tasks.json'}")
    _judge(scenes)


async def _play(samples: Path, given: tuple[str, str] | None) -> list[Scene]:
    async with contextlib.AsyncExitStack() as opened:
        gpu_url, cpu_url = (
            await opened.enter_async_context(_own_service()) if given is None else given
        )
        client = await opened.enter_async_context(AsyncClient(gpu_url=gpu_url, cpu_url=cpu_url))
        board = _Board(opened.enter_context(display.live_progress()))
        return await Stage(client, pictures.still(samples), board.show).play()


@contextlib.asynccontextmanager
async def _own_service() -> AsyncIterator[tuple[str, str]]:
    """The whole product in this process, on free ports, with a data directory that is thrown
    away; the addresses of its orchestrators."""
    with tempfile.TemporaryDirectory(prefix="short-drama-demo-") as folder:
        settings = read_settings(data_dir=Path(folder), **FREE_PORTS)
        stop = asyncio.Event()
        addresses: asyncio.Future[Mapping[Component, str]] = asyncio.Future()
        running = asyncio.create_task(
            host.run(settings, list(Component), alone=True, ready=addresses.set_result, stop=stop)
        )
        both: set[asyncio.Future[Any]] = {running, addresses}
        await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        if running.done():
            running.result()
        try:
            urls = addresses.result()
            yield urls[Component.ORCHESTRATOR], urls[Component.CPU_ORCHESTRATOR]
        finally:
            stop.set()
            await running


class _Board:
    """One line for each kind while it runs."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._lines: dict[str, TaskID] = {
            kind: progress.add_task(f"{kind}: not handed in yet", total=1.0) for kind in KINDS
        }

    def show(self, task: TaskView) -> None:
        done = 1.0 if task.ended else task.progress or 0.0
        self._progress.update(
            self._lines[task.kind], description=display.in_words(task), completed=done
        )


def _write(output: Path, scenes: Sequence[Scene]) -> None:
    (output / "contact-sheet.png").write_bytes(sheet.draw(scenes))
    tasks = [scene.task.model_dump(mode="json") for scene in scenes]
    (output / "tasks.json").write_text(json.dumps(tasks, indent=2, ensure_ascii=False) + "\n")


def _table(scenes: Sequence[Scene]) -> Table:
    table = Table(box=None, header_style="bold", pad_edge=False, caption="seconds")
    for heading in ("kind", "status", "queued", "running", "overhead", "engine", "checks"):
        numeric = heading in ("queued", "running", "overhead")
        table.add_column(heading, justify="right" if numeric else "left")
    for scene in scenes:
        timings = scene.task.timings
        table.add_row(
            scene.kind,
            display.coloured(scene.task.status),
            _seconds(timings.queued_seconds),
            _seconds(timings.running_seconds),
            _seconds(timings.overhead_seconds),
            scene.task.engine or "",
            f"[red]{escape('; '.join(scene.complaints))}[/]" if scene.complaints else "passed",
        )
    return table


def _seconds(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"


def _judge(scenes: Sequence[Scene]) -> None:
    """Raises Problem unless every kind was done and every check passed."""
    faults = [f"{scene.kind}: {each}" for scene in scenes for each in scene.complaints]
    played = {scene.kind for scene in scenes}
    faults += [f"{kind}: not handed in" for kind in KINDS if kind not in played]
    if faults:
        raise Problem("; ".join(faults), code=EXIT_FAILED)
