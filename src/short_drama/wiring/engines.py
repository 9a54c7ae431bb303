"""How each lane's kinds are done, by the settings.

A lane's engines are imported where its service opens them: who runs only orchestrators and adapters
need not install what engines are made of.
"""

import contextlib
import secrets
import shlex
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from pydantic import SecretStr

from short_drama.comfyui_api.engine.engine import EngineTimes
from short_drama.comfyui_api.prompts.camera_words import CameraWords, poses
from short_drama.comfyui_api.turns import IN_ENGINE
from short_drama.comfyui_api.workflows.library import AUTO, MODEL_SETS, Library, library
from short_drama.comfyui_api.workflows.reach import within_reach
from short_drama.complaints import Part
from short_drama.domain.errors import InvalidRequest
from short_drama.domain.kinds import KINDS, Catalogue, Lane, TaskKind
from short_drama.domain.spending import micros_of
from short_drama.images.sources import ImageSources
from short_drama.jobs.not_done import NotDone
from short_drama.jobs.room import Room
from short_drama.jobs.runner import JobRunner, Work
from short_drama.paid_api.paying.budgets import Budgets
from short_drama.ports import AssetStore
from short_drama.settings import Settings
from short_drama.wiring.backend import Backend
from short_drama.wiring.manifests import open_mark
from short_drama.wiring.prices import open_prices, seedream_model

if TYPE_CHECKING:
    from short_drama.comfyui_api.lane import ComfyUILane
    from short_drama.paid_api.lane import ProviderAccount

Engines = Callable[[Settings, ImageSources, AssetStore], Mapping[str, Work[Any, Any]]]
"""How the kinds of one lane are done by engines that need no opening."""


def local_preview(
    settings: Settings, sources: ImageSources, assets: AssetStore
) -> Mapping[str, Work[Any, Any]]:
    from short_drama.comfyui_api.local_work import preview_works

    return preview_works(settings.models_dir, sources, assets)


_NO_ENGINE = (
    "The local preview does its own kinds only: set SHORT_DRAMA_COMFYUI_URL, or "
    "SHORT_DRAMA_COMFY_V2_URL, for workflows of one's own."
)
_SERVICES = {Lane.GPU: "comfyui-api", Lane.CPU: "paid-api"}
_STORES_IN: Mapping[Lane, Sequence[Part]] = {
    Lane.GPU: ("assets",),
    Lane.CPU: ("assets", "tasks"),  # the ledger
}
"""The parts of the backend that a lane's service cannot do without."""


@contextlib.asynccontextmanager
async def open_runner(
    lane: Lane,
    settings: Settings,
    sources: ImageSources,
    backend: Backend,
    *,
    catalogue: Catalogue,
    room: Room,
    engines: Mapping[Lane, Engines] | None,
) -> AsyncIterator[JobRunner]:
    """The runner of a lane's service, which knows every kind of the lane in the catalogue.
    `engines`: if not as the settings say."""

    async with (
        _open_works(lane, settings, sources, backend, engines) as (works, order),
        JobRunner(
            _SERVICES[lane],
            _switched(_completed(works, catalogue.of(lane)), settings),
            room=room,
            store=partial(backend.check, *_STORES_IN[lane]),
            **order,
        ) as runner,
    ):
        runner.manifests, runner.mark = sources.manifests, open_mark(settings)
        yield runner


@contextlib.asynccontextmanager
async def _open_works(
    lane: Lane,
    settings: Settings,
    sources: ImageSources,
    backend: Backend,
    engines: Mapping[Lane, Engines] | None,
) -> AsyncIterator[tuple[Mapping[str, Work[Any, Any]], Mapping[str, Any]]]:
    """How the lane's kinds are done, and in what order: a runner's arguments."""
    order: dict[str, Any] = {"parallel": settings.parallel(lane)}
    if engines is not None:
        yield engines[lane](settings, sources, backend.assets), order
    elif lane is Lane.CPU:
        async with _open_faces(settings, sources, backend) as works:
            yield works, order
    elif settings.comfyui_url is not None:
        async with _open_comfyui(settings, sources, backend.assets) as comfyui:
            ahead, turns = settings.deliveries(lane), comfyui.turns
            yield comfyui.works, {"parallel": IN_ENGINE, "ahead": ahead, "turns": turns}
    elif settings.comfy_v2_url is not None:
        async with _open_hosted(settings, settings.comfy_v2_url, sources, backend.assets) as works:
            yield works, order
    else:
        yield local_preview(settings, sources, backend.assets), order


def _completed(
    works: Mapping[str, Work[Any, Any]], kinds: Iterable[TaskKind]
) -> dict[str, Work[Any, Any]]:
    """With those kinds that no engine here does: their tasks wait for one that does."""
    completed = dict(works)
    for kind in kinds:
        if kind.name not in works:
            completed[kind.name] = NotDone(
                f"no engine of this service does {kind.name}", engine="none", fix=_NO_ENGINE
            )
    return completed


def _switched(works: Mapping[str, Work[Any, Any]], settings: Settings) -> dict[str, Work[Any, Any]]:
    """With those off that are to be off."""
    fix = "Take it out of SHORT_DRAMA_KINDS_OFF."
    return {
        kind: NotDone(f"{kind} is switched off", engine=work.engine, fix=fix)
        if kind in settings.kinds_off
        else work
        for kind, work in works.items()
    }


def _open_comfyui(
    settings: Settings, sources: ImageSources, assets: AssetStore
) -> contextlib.AbstractAsyncContextManager["ComfyUILane"]:
    from short_drama.comfyui_api.lane import ComfyUIOptions, open_comfyui

    options = ComfyUIOptions(
        url=settings.comfyui_url or "",
        authorization=settings.comfyui_authorization,
        secrets=settings.hidden_values,
        client_id=f"short-drama-{secrets.token_hex(8)}",
        swap_wait=settings.comfyui_swap_wait_seconds,
        warm_up=settings.comfyui_warm_up,
        previews=settings.comfyui_previews,
        restart=shlex.split(settings.comfyui_restart_command or ""),
        folder=settings.comfyui_folder,
        off=settings.kinds_off,
        times=EngineTimes(stuck=settings.comfyui_stuck_seconds),
    )
    return open_comfyui(options, open_workflows(settings), sources, assets)


def _open_hosted(
    settings: Settings, url: str, sources: ImageSources, assets: AssetStore
) -> contextlib.AbstractAsyncContextManager[Mapping[str, Work[Any, Any]]]:
    from short_drama.comfyui_api.hosted_lane import HostedOptions, open_hosted

    key = settings.comfy_v2_key
    options = HostedOptions(
        url=url,
        key=None if key is None else key.get_secret_value(),
        secrets=settings.hidden_values,
        previews=settings.comfyui_previews,
    )
    return open_hosted(options, open_workflows(settings), sources, assets)


def _open_faces(
    settings: Settings, sources: ImageSources, backend: Backend
) -> contextlib.AbstractAsyncContextManager[Mapping[str, Work[Any, Any]]]:
    from short_drama.paid_api.lane import FaceOptions, open_faces

    options = FaceOptions(
        models=settings.models_dir,
        qwen=_qwen(settings),
        seedream=_seedream(settings),
        prices=open_prices(settings),
        watermark=settings.seedream_watermark,
        # Pasting would cut the mark off.
        whole_frames=settings.seedream_result == "frame" or settings.seedream_watermark,
        expand=settings.mask_expand,
        feather=settings.mask_feather,
    )
    return open_faces(options, sources, backend.assets, budgets(settings, backend))


def _qwen(settings: Settings) -> "ProviderAccount | None":
    from short_drama.paid_api.lane import ProviderAccount

    if settings.detector == "local":
        return None
    return ProviderAccount(
        base_url=settings.dashscope_base_url,
        key=_required(settings.dashscope_api_key, "SHORT_DRAMA_DASHSCOPE_API_KEY"),
        model=settings.qwen_model,
        in_flight=settings.qwen_in_flight,
        per_minute=settings.qwen_per_minute,
        read_seconds=settings.qwen_read_seconds,
        secrets=settings.hidden_values,
    )


def _seedream(settings: Settings) -> "ProviderAccount | None":
    from short_drama.paid_api.lane import ProviderAccount

    if settings.generator == "local":
        return None
    return ProviderAccount(
        base_url=settings.ark_base_url,
        key=_required(settings.ark_api_key, "SHORT_DRAMA_ARK_API_KEY"),
        model=seedream_model(settings),
        endpoint=settings.seedream_model,
        in_flight=settings.seedream_in_flight,
        per_minute=settings.seedream_per_minute,
        read_seconds=settings.seedream_read_seconds,
        secrets=settings.hidden_values,
    )


def _required(key: SecretStr | None, name: str) -> str:
    if key is None:
        raise InvalidRequest(
            "a provider was chosen without a key for it", field=name, fix=f"Set {name}."
        )
    return key.get_secret_value()


def budgets(settings: Settings, backend: Backend) -> Budgets:
    day, month = settings.budget_per_day_usd, settings.budget_per_month_usd
    each = settings.owner_budget_per_day_usd

    async def of_key(key_id: str) -> int | None:
        key = await backend.keys.get(key_id)
        return None if key is None else key.daily_limit

    return Budgets(
        backend.ledger,
        per_day=None if day is None else micros_of(day),
        per_month=None if month is None else micros_of(month),
        per_owner=None if each is None else micros_of(each),
        per_label={label: micros_of(usd) for label, usd in settings.budget_per_label_usd.items()},
        of_key=of_key,
        zone=settings.budget_time_zone,
        waits=settings.budget_waits,
    )


def open_workflows(settings: Settings) -> Library:
    """Raises InvalidRequest, naming the file or the setting."""
    model_set = settings.comfyui_model_set
    if model_set == AUTO and settings.comfy_v2_url is not None:
        model_set = MODEL_SETS[0]  # such a server does not say what it has
    return library(
        settings.workflows_dir,
        settings.comfyui_models,
        model_set=model_set,
        camera_words=settings.comfyui_camera_words,
    )


def open_catalogue(settings: Settings) -> Catalogue:
    """Workflows that are no kind yet become one, of the GPU lane. Raises as `open_workflows`."""
    workflows = open_workflows(settings)
    catalogue = KINDS.with_kinds(workflow.task_kind() for workflow in workflows.values())
    if unknown := sorted(settings.kinds_off - set(catalogue)):
        raise InvalidRequest(
            f"there is no kind {unknown[0][:80]!r} to switch off",
            field="SHORT_DRAMA_KINDS_OFF",
            fix=f"The kinds are: {', '.join(catalogue)}.",
        )
    catalogue = _within_reach(catalogue, settings, workflows)
    return catalogue.with_schema("camera-angle", {"x-camera-poses": _poses(settings, workflows)})


def _within_reach(catalogue: Catalogue, settings: Settings, workflows: Library) -> Catalogue:
    """Where this process knows which model moves the camera: that of the only set there may be."""
    only, *others = workflows.candidates("camera-angle")
    if others or (settings.comfyui_url is None and settings.comfy_v2_url is None):
        return catalogue
    return Catalogue(
        within_reach(kind, only) if kind.name == only.kind else kind for kind in catalogue.values()
    )


def _poses(settings: Settings, workflows: Library) -> Mapping[str, object]:
    """What can be asked of whatever does camera-angle, by its name."""
    if settings.comfyui_url is None and settings.comfy_v2_url is None:
        return {"local-preview": poses(CameraWords.RELATIVE)}
    return workflows.camera_poses
