"""A real Prometheus beside all processes under load: `python -m tests.deploy.watch --seconds 600`.

While all is well no alert may fire, every scrape must succeed, and what was counted must be what
was done. Then faults are planted: each must raise its alerts and no others, which must go again
once it is mended. Exit code 1 when something was otherwise.
"""

import argparse
import asyncio
import contextlib
import signal
import sys
import tempfile
import time
import urllib.request
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

from short_drama.domain.kinds import KINDS, Lane
from short_drama.sdk.models import TaskView
from short_drama.wiring.components import Component
from tests.deploy.prometheus import expressions, promtool
from tests.deploy.serve_watched import FAULTY
from tests.deploy.watched import Site, running
from tests.samples import png

_PATIENCE_SECONDS = 90.0
_PAUSE_SECONDS = 0.5
_CLIENTS = 2
_FAULTS = 6

Planter = Callable[[Site, str], contextlib.AbstractAsyncContextManager[None]]


class WatchFailed(Exception):
    """The message says what was otherwise than it has to be."""


async def watch(folder: Path, *, seconds: float, faults: int, say: Callable[[str], None]) -> None:
    """Plants the first so many of `FAULTS`, one after the other. Raises WatchFailed."""
    async with running(folder) as site:
        image = (await site.client.upload(png())).image_url
        await _scraped(site)
        say(f"{len(site.members)} processes are up; {seconds:g} s of load")
        done = await _calm(site, image, seconds)
        await _counted(site, done)
        await asyncio.to_thread(_remarks, site)
        say(f"{done} tasks done and counted; no alert; {_panels(site)} panels' queries answered")
        for planted, alerts in FAULTS[:faults]:
            async with planted(site, image):
                await _until_firing(site, alerts)
                say(f"planted: these alerts fire, and no others: {sorted(alerts)}")
            await _until_firing(site, set())
            say("mended: no alert is left")


# --- While all is well --------------------------------------------------------------------


async def _scraped(site: Site) -> None:
    """Until each port has been read: what has not been seen yet is missing."""
    up = 'count(up{job="short-drama"} == 1)'
    await _until(
        lambda: site.prometheus.value(up) == len(site.members),
        "not all ports are read: {found}",
        lambda: [(one["scrapeUrl"], one["lastError"]) for one in site.prometheus.targets()],
    )
    await _until_firing(site, set())


async def _calm(site: Site, image: str, seconds: float) -> int:
    """How many tasks were done."""
    until = time.monotonic() + seconds
    clients = [asyncio.create_task(_client(site, image, until)) for _ in range(_CLIENTS)]
    while time.monotonic() < until:
        if firing := await asyncio.to_thread(site.prometheus.firing):
            raise WatchFailed(f"alerts fire although all is well: {sorted(firing)}")
        await asyncio.sleep(_PAUSE_SECONDS)
    return sum(await asyncio.gather(*clients))


async def _client(site: Site, image: str, until: float) -> int:
    """One task after the other, of every kind in turn."""
    done, kinds = 0, _endless()
    while time.monotonic() < until:
        task = await _task(site, next(kinds), image)
        if task.status != "completed":
            raise WatchFailed(f"task {task.task_id} has {task.status}: {task.error}")
        done += 1
        await asyncio.sleep(_PAUSE_SECONDS / 2)
    return done


def _endless() -> Iterator[str]:
    while True:
        yield from KINDS


async def _task(
    site: Site, kind: str, image: str, labels: "dict[str, str] | None" = None
) -> TaskView:
    return await site.client.wait(await _submitted(site, kind, image, labels))


async def _submitted(
    site: Site, kind: str, image: str, labels: "dict[str, str] | None" = None
) -> str:
    request = {**KINDS[kind].example, **dict.fromkeys(KINDS[kind].image_fields, image)}
    accepted = await site.client.submit(kind, request, labels=labels)
    return accepted.task_id


async def _counted(site: Site, done: int) -> None:
    """Each task once, however many ports are read."""
    for what in ("submitted", "ended"):
        total = partial(site.prometheus.value, f"sum(short_drama_tasks_{what}_total)")
        words = f"{done} tasks were {what}, and {{found}} are counted"
        await _until(partial(_equal, total, done), words, total)


def _equal(total: Callable[[], float | None], expected: int) -> bool:
    return total() == expected


def _remarks(site: Site) -> None:
    """What promtool has to say of each port's figures, which has to be nothing."""
    for target in site.prometheus.targets():
        with urllib.request.urlopen(target["scrapeUrl"], timeout=10) as answer:  # noqa: S310 - ours
            remark = promtool("check", "metrics", stdin=answer.read().decode())
        if remark:
            raise WatchFailed(f"of {target['scrapeUrl']} promtool says: {remark}")


def _panels(site: Site) -> int:
    """How many queries of the dashboard are answered. Raises QueryFailed."""
    asked = [site.prometheus.query(expression) for expression in expressions()]
    return len(asked)


# --- Faults -------------------------------------------------------------------------------


@contextlib.asynccontextmanager
async def _workers_away(site: Site, image: str) -> AsyncIterator[None]:
    """An adapter of one lane and the API service of the other are killed, after tasks that fail and
    a dead letter."""
    await site.send_nonsense(Lane.CPU)
    for _ in range(_FAULTS):
        await _task(site, "face-mask", image, dict(FAULTY))
    adapter, service = site.members[Component.GPU_ADAPTER], site.members[Component.PAID_API]
    await adapter.kill()
    await service.kill()
    left = await _submitted(site, "camera-angle", image)
    yield
    await site.forget_letters(Lane.CPU)
    await asyncio.gather(adapter.start(), service.start())
    await site.client.wait(left)


@contextlib.asynccontextmanager
async def _orchestrators_hang(site: Site, _: str) -> AsyncIterator[None]:
    both = [site.members[each] for each in (Component.ORCHESTRATOR, Component.CPU_ORCHESTRATOR)]
    for each in both:
        each.signal(signal.SIGSTOP)
    yield
    for each in both:
        each.signal(signal.SIGCONT)


FAULTS: Sequence[tuple[Planter, set[tuple[str, str]]]] = [
    (
        _workers_away,
        {
            ("ShortDramaProcessDown", "component=gpu-adapter"),
            ("ShortDramaLaneWithoutWorker", "lane=gpu"),
            ("ShortDramaProcessDown", "component=paid-api"),
            ("ShortDramaNotReady", "service=cpu-adapter"),
            ("ShortDramaDeadLetters", "queue=cpu_tasks_dlq"),
            ("ShortDramaTasksFail", "kind=face-mask"),
        },
    ),
    (
        _orchestrators_hang,
        {
            ("ShortDramaProcessDown", "component=orchestrator"),
            ("ShortDramaProcessDown", "component=cpu-orchestrator"),
            ("ShortDramaSweeperStalled", "over=tasks"),
            *(
                ("ShortDramaQueuesUnknown", f"queue={queue}")
                for lane in Lane
                for queue in (lane.queue, lane.dead_letter_queue)
            ),
        },
    ),
]
"""Each with the alerts that have to fire while it lasts."""


async def _until_firing(site: Site, expected: set[tuple[str, str]]) -> None:
    await _until(
        lambda: site.prometheus.firing() == expected,
        f"expected {sorted(expected)}, found {{found}}",
        lambda: sorted(site.prometheus.firing()),
    )


async def _until(happens: Callable[[], bool], words: str, found: Callable[[], object]) -> None:
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while not await asyncio.to_thread(happens):
        if time.monotonic() > deadline:
            raise WatchFailed(words.format(found=found()))
        await asyncio.sleep(_PAUSE_SECONDS)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.deploy.watch", description=__doc__)
    parser.add_argument("--seconds", type=float, default=600.0, help="of load before the faults")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="watch-") as folder:
        try:
            asyncio.run(watch(Path(folder), seconds=options.seconds, faults=len(FAULTS), say=print))
        except WatchFailed as failed:
            print(f"FAILED: {failed}")
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
