"""The GPU lane done by ComfyUI: engine, workflows and order of turns, put together."""

import contextlib
import logging
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from short_drama.comfyui_api.comfyui_work import ComfyUIWork
from short_drama.comfyui_api.engine.caretaker import Caretaker
from short_drama.comfyui_api.engine.engine import Engine, EngineTimes
from short_drama.comfyui_api.engine.remedies import Remedies
from short_drama.comfyui_api.engine.warm_up import WarmUp
from short_drama.comfyui_api.housekeeping import keeping_house
from short_drama.comfyui_api.server.comfyui import ComfyUI
from short_drama.comfyui_api.turns import SwapAware
from short_drama.comfyui_api.workflows.library import BUILT_IN, Library
from short_drama.comfyui_api.workflows.server_facts import ServerFacts
from short_drama.comfyui_api.workflows.shortcomings import shortcomings
from short_drama.comfyui_api.workflows.workflow import Workflow
from short_drama.domain.errors import EngineNotReady
from short_drama.images.sources import ImageSources
from short_drama.jobs.job import Work
from short_drama.jobs.turns import Turns
from short_drama.ports import AssetStore

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class ComfyUIOptions:
    """Seconds, unless a name says otherwise. `client_id`: of this process and no other; `restart`:
    a command and its arguments, if we may; `folder`: ComfyUI's base folder, if it is on this
    machine."""

    url: str
    client_id: str
    authorization: str | None = None
    swap_wait: float = 120.0
    warm_up: bool = True
    previews: bool = False
    restart: Sequence[str] = ()
    folder: Path | None = None
    times: EngineTimes = field(default_factory=EngineTimes)


@dataclass(frozen=True, slots=True, kw_only=True)
class ComfyUILane:
    works: Mapping[str, Work[Any, Any]]
    turns: Turns


@contextlib.asynccontextmanager
async def open_comfyui(
    options: ComfyUIOptions,
    workflows: Library,
    sources: ImageSources,
    assets: AssetStore,
) -> AsyncIterator[ComfyUILane]:
    """Does not wait for the server: each work's `check` says when it can be used."""
    async with contextlib.AsyncExitStack() as opened:
        comfyui = await opened.enter_async_context(
            ComfyUI(options.url, client_id=options.client_id, authorization=options.authorization)
        )
        engine = await opened.enter_async_context(
            Engine(comfyui, options.times, previews=options.previews)
        )
        warm_up = WarmUp(engine, workflows, BUILT_IN) if options.warm_up else None
        broken: dict[str, EngineNotReady] = {}
        loads = _loads(workflows)

        async def prepare() -> None:
            facts = ServerFacts(await comfyui.object_info(), await comfyui.system_stats())
            workflows.choose(facts)
            loads.update(_loads(workflows))
            _set(broken, dict(_faulty(workflows, facts)))
            for kind in BUILT_IN:
                if kind in broken:
                    raise broken[kind]
            if warm_up is not None:
                await warm_up.run()

        await opened.enter_async_context(Caretaker(engine, prepare, restart=options.restart))
        if options.folder is not None:
            await opened.enter_async_context(keeping_house(options.folder))
        remedies = Remedies(engine)
        yield ComfyUILane(
            works={
                kind: ComfyUIWork(
                    kind, workflows, engine, remedies,
                    sources=sources, assets=assets, broken=broken,
                )
                for kind in workflows
            },
            turns=SwapAware(loads, bound=options.swap_wait),
        )  # fmt: skip


def _loads(workflows: Mapping[str, Workflow]) -> dict[str, tuple[str, ...]]:
    return {kind: workflow.loads for kind, workflow in workflows.items()}


def _faulty(
    workflows: Mapping[str, Workflow], facts: ServerFacts
) -> Iterator[tuple[str, EngineNotReady]]:
    """The kinds that the server lacks something for, and what."""
    for kind, workflow in workflows.items():
        found = shortcomings(workflow, facts)
        if found:
            more = f" (and {len(found) - 1} more faults)" if len(found) > 1 else ""
            yield kind, EngineNotReady(f"{kind}: {found[0].message}{more}", fix=found[0].fix)


def _set(broken: dict[str, EngineNotReady], found: Mapping[str, EngineNotReady]) -> None:
    """An operator's workflow that cannot run takes down no other."""
    for kind in found.keys() - broken.keys():
        log.error("a workflow cannot run: %s", found[kind].detail)
    broken.clear()
    broken.update(found)
