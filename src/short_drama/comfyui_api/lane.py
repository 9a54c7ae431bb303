"""The GPU lane done by ComfyUI: engine, workflows and order of turns, put together."""

import contextlib
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from short_drama.comfyui_api.abilities import Abilities
from short_drama.comfyui_api.comfyui_work import ComfyUIWork
from short_drama.comfyui_api.engine.caretaker import Caretaker
from short_drama.comfyui_api.engine.engine import Engine, EngineTimes
from short_drama.comfyui_api.engine.preparation import Preparation
from short_drama.comfyui_api.engine.remedies import Remedies
from short_drama.comfyui_api.engine.warm_up import WarmUp
from short_drama.comfyui_api.housekeeping import keeping_house
from short_drama.comfyui_api.server.comfyui import ComfyUI
from short_drama.comfyui_api.turns import SwapAware
from short_drama.comfyui_api.workflows.library import BUILT_IN, Library
from short_drama.comfyui_api.workflows.workflow import Workflow
from short_drama.images.sources import ImageSources
from short_drama.jobs.job import Work
from short_drama.jobs.turns import Turns
from short_drama.ports import AssetStore


@dataclass(frozen=True, slots=True, kw_only=True)
class ComfyUIOptions:
    """Seconds, unless a name says otherwise. `client_id`: of this process and no other; `restart`:
    a command and its arguments, if we may; `folder`: ComfyUI's base folder, if it is on this
    machine; `off`: kinds that are not done here; `secrets`: what no answer may hold."""

    url: str
    client_id: str
    authorization: str | None = None
    secrets: Sequence[str] = ()
    swap_wait: float = 120.0
    warm_up: bool = True
    previews: bool = False
    restart: Sequence[str] = ()
    folder: Path | None = None
    off: Collection[str] = ()
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
            ComfyUI(
                options.url,
                client_id=options.client_id,
                authorization=options.authorization,
                secrets=options.secrets,
            )
        )
        engine = await opened.enter_async_context(
            Engine(comfyui, options.times, previews=options.previews)
        )
        warm_up, loads = WarmUp(engine, workflows), _loads(workflows)
        abilities = Abilities(kind for kind in workflows if kind not in options.off)
        preparation = Preparation(
            engine, workflows, abilities, warm_up, warmed=BUILT_IN if options.warm_up else ()
        )

        async def prepare() -> None:
            await preparation.run()
            loads.update(_loads(workflows))

        await opened.enter_async_context(
            Caretaker(engine, prepare, lambda: not abilities.all_able, restart=options.restart)
        )
        if options.folder is not None:
            await opened.enter_async_context(keeping_house(options.folder))
        remedies = Remedies(engine, warm_up, abilities)
        yield ComfyUILane(
            works={
                kind: ComfyUIWork(
                    kind, workflows, engine, remedies,
                    sources=sources, assets=assets, abilities=abilities,
                )
                for kind in workflows
            },
            turns=SwapAware(loads, bound=options.swap_wait),
        )  # fmt: skip


def _loads(workflows: Mapping[str, Workflow]) -> dict[str, tuple[str, ...]]:
    return {kind: workflow.loads for kind, workflow in workflows.items()}
