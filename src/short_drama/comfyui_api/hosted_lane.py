"""The GPU lane done by a hosted ComfyUI: engine and workflows, put together."""

import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from short_drama.comfyui_api.abilities import Abilities
from short_drama.comfyui_api.comfyui_work import ComfyUIWork
from short_drama.comfyui_api.hosted.client import ComfyAPI
from short_drama.comfyui_api.hosted.engine import HostedEngine
from short_drama.comfyui_api.hosted.following import HostedTimes
from short_drama.comfyui_api.hosted.notes import Notes
from short_drama.comfyui_api.hosted.remedies import HostedRemedies
from short_drama.comfyui_api.workflows.workflow import Workflow
from short_drama.images.sources import ImageSources
from short_drama.jobs.job import Work
from short_drama.ports import AssetStore


@dataclass(frozen=True, slots=True, kw_only=True)
class HostedOptions:
    """`key`: an API key, or a proxy's token; None where there is none. `secrets`: what no answer
    may hold, beside the key."""

    url: str
    key: str | None
    secrets: Sequence[str] = ()
    previews: bool = False
    times: HostedTimes = field(default_factory=HostedTimes)


@contextlib.asynccontextmanager
async def open_hosted(
    options: HostedOptions,
    workflows: Mapping[str, Workflow],
    sources: ImageSources,
    assets: AssetStore,
) -> AsyncIterator[Mapping[str, Work[Any, Any]]]:
    """How each kind is done. Does not wait for the server: each work's `check` says when it can be
    used. What nodes and models it has is not told beforehand."""
    async with (
        ComfyAPI(options.url, key=options.key, secrets=options.secrets) as api,
        HostedEngine(api, Notes(assets), options.times, previews=options.previews) as engine,
    ):
        remedies, abilities = HostedRemedies(), Abilities(workflows)
        yield {
            kind: ComfyUIWork(
                kind, workflows, engine, remedies,
                sources=sources, assets=assets, abilities=abilities,
            )
            for kind in workflows
        }  # fmt: skip
