"""How each lane's kinds are done, by the settings."""

import contextlib
import secrets
import shlex
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

from short_drama.comfyui_api.engine import EngineTimes
from short_drama.comfyui_api.lane import ComfyUILane, ComfyUIOptions, open_comfyui
from short_drama.comfyui_api.turns import IN_ENGINE
from short_drama.comfyui_api.workflows.library import library
from short_drama.comfyui_api.workflows.workflow import Workflow
from short_drama.domain.kinds import KINDS, Lane, add_kind
from short_drama.images.sources import ImageSources
from short_drama.jobs.runner import JobRunner, Work
from short_drama.ports import AssetStore
from short_drama.settings import Settings

Engines = Callable[[Settings, ImageSources, AssetStore], Mapping[str, Work[Any, Any]]]
"""How the kinds of one lane are done by engines that need no opening."""


def local_preview(
    settings: Settings, sources: ImageSources, assets: AssetStore
) -> Mapping[str, Work[Any, Any]]:
    from short_drama.comfyui_api.local_work import preview_works

    return preview_works(settings.models_dir, sources, assets)


def local_faces(
    settings: Settings, sources: ImageSources, assets: AssetStore
) -> Mapping[str, Work[Any, Any]]:
    from short_drama.paid_api.local_work import face_works

    return face_works(settings.models_dir, sources, assets)


_SERVICES = {Lane.GPU: "comfyui-api", Lane.CPU: "paid-api"}
_LOCAL: Mapping[Lane, Engines] = {Lane.GPU: local_preview, Lane.CPU: local_faces}


@contextlib.asynccontextmanager
async def open_runner(
    lane: Lane,
    settings: Settings,
    sources: ImageSources,
    assets: AssetStore,
    engines: Mapping[Lane, Engines] | None,
) -> AsyncIterator[JobRunner]:
    """The runner of a lane's service. `engines`: if not as the settings say."""
    if lane is Lane.GPU and engines is None and settings.comfyui_url is not None:
        async with (
            _open_comfyui(settings, sources, assets) as comfyui,
            JobRunner(
                _SERVICES[lane],
                comfyui.works,
                parallel=IN_ENGINE,
                ahead=settings.deliveries(lane),
                turns=comfyui.turns,
            ) as runner,
        ):
            yield runner
    else:
        works = (engines or _LOCAL)[lane](settings, sources, assets)
        async with JobRunner(_SERVICES[lane], works, parallel=settings.parallel(lane)) as runner:
            yield runner


def _open_comfyui(
    settings: Settings, sources: ImageSources, assets: AssetStore
) -> contextlib.AbstractAsyncContextManager[ComfyUILane]:
    options = ComfyUIOptions(
        url=settings.comfyui_url or "",
        client_id=f"short-drama-{secrets.token_hex(8)}",
        swap_wait=settings.comfyui_swap_wait_seconds,
        warm_up=settings.comfyui_warm_up,
        previews=settings.comfyui_previews,
        restart=shlex.split(settings.comfyui_restart_command or ""),
        folder=settings.comfyui_folder,
        times=EngineTimes(stuck=settings.comfyui_stuck_seconds),
    )
    return open_comfyui(options, open_workflows(settings), sources, assets)


def open_workflows(settings: Settings) -> Mapping[str, Workflow]:
    """All workflows; those that are no kind yet become one, of the GPU lane.

    Raises InvalidRequest, naming the file or the setting.
    """
    workflows = library(settings.workflows_dir, settings.comfyui_models)
    for kind, workflow in workflows.items():
        if kind not in KINDS:
            add_kind(workflow.task_kind())
    return workflows
