"""What does the GPU kinds: ComfyUI, its nodes and model files, its card; or a hosted one."""

from collections.abc import Mapping
from typing import Any, Final

from short_drama.comfyui_api.hosted.client import ComfyAPI
from short_drama.comfyui_api.server.comfyui import ComfyUI
from short_drama.comfyui_api.workflows.library import Library
from short_drama.comfyui_api.workflows.outlook import Verdict as Fit
from short_drama.comfyui_api.workflows.outlook import outlook
from short_drama.comfyui_api.workflows.server_facts import ServerFacts
from short_drama.comfyui_api.workflows.shortcomings import shortcomings
from short_drama.comfyui_api.workflows.workflow import Workflow
from short_drama.doctor.finding import Finding, not_applicable, ok, together, warning, wrong
from short_drama.doctor.site import Site
from short_drama.domain.errors import Unavailable
from short_drama.wiring.engines import open_workflows

_OLDEST: Final = (0, 3, 60)
"""The first that keeps the id that a prompt is given."""
_NO_COMFYUI = "SHORT_DRAMA_COMFYUI_URL is not set: no ComfyUI of ours does the GPU kinds"


async def comfyui(site: Site) -> Finding:
    url = site.settings.comfyui_url
    if url is None:
        return not_applicable(_NO_COMFYUI)
    try:
        told = ServerFacts({}, await _stats(site))
    except Unavailable as error:
        return wrong(
            f"{url}: {error.detail}",
            error.fix or "Start it: systemctl start comfyui; or correct SHORT_DRAMA_COMFYUI_URL.",
        )
    if told.is_older_than(_OLDEST):
        return wrong(f"ComfyUI {told.version} is too old", "Update it to 0.3.60 or later.")
    return ok(f"ComfyUI {told.version} answers at {url}")


async def models(site: Site) -> Finding:
    """Nodes and model files of every kind that is done there."""
    if site.settings.comfyui_url is None:
        return not_applicable(_NO_COMFYUI)
    facts, library = await _library(site)
    workflows = _on(site, library)
    faults = [
        wrong(f"{workflow.kind}: {fault.message}", fault.fix)
        for workflow in workflows
        for fault in shortcomings(workflow, facts)
    ]
    kinds = ", ".join(workflow.kind for workflow in workflows)
    return together(faults, otherwise=f"it has all nodes and model files of {kinds}")


async def card(site: Site) -> Finding:
    """Whether the models fit, by the card, its memory and the machine's."""
    if site.settings.comfyui_url is None:
        return not_applicable(_NO_COMFYUI)
    facts, library = await _library(site)
    if not facts.is_cpu and not facts.vram_bytes:
        return not_applicable("ComfyUI does not tell what it runs on")
    faults = [_fit(library, workflow, facts) for workflow in _on(site, library)]
    memory = f"{facts.vram_bytes / 2**30:.0f} GiB, and {facts.ram_bytes / 2**30:.0f} GiB of RAM"
    return together(faults, otherwise=f"the models fit on {facts.card} with {memory}")


def _fit(library: Library, workflow: Workflow, facts: ServerFacts) -> Finding:
    seen, better = outlook(workflow, facts), library.better(workflow.kind, facts)
    if seen is None or seen.verdict < Fit.IN_FP32:
        return ok(workflow.kind)
    words = f"{workflow.kind}{f' with {workflow.model_set}' if workflow.model_set else ''}"
    other = f"set SHORT_DRAMA_COMFYUI_MODEL_SET={better}" if better else "use smaller models"
    cure = (
        f"Use a larger card or machine, or {other}; docs/workflows.md says what each set needs, "
        "and `short-drama workflows check` says more."
    )
    judged = wrong if seen.verdict is Fit.DOES_NOT_FIT else warning
    return judged(f"{words}: {seen.sentence}", cure)


async def hosted(site: Site) -> Finding:
    url, key = site.settings.comfy_v2_url, site.settings.comfy_v2_key
    if url is None:
        return not_applicable("SHORT_DRAMA_COMFY_V2_URL is not set")
    secret = None if key is None else key.get_secret_value()
    async with ComfyAPI(url, key=secret) as server:
        await server.check()  # asks for a job that there is not
    return ok(f"{url} answers, and takes our key")


async def _stats(site: Site) -> Mapping[str, Any]:
    async def asked() -> Mapping[str, Any]:
        async with _server(site) as server:
            return await server.system_stats()

    return await site.once("system_stats", asked)


async def _library(site: Site) -> tuple[ServerFacts, Library]:
    """What the server says of itself, and every workflow as it would run it."""

    async def asked() -> tuple[ServerFacts, Library]:
        async with _server(site) as server:
            facts = ServerFacts(await server.object_info(), await _stats(site))
        library = open_workflows(site.settings)
        library.choose(facts)
        return facts, library

    return await site.once("library", asked)


def _on(site: Site, library: Library) -> list[Workflow]:
    """The workflows of kinds that are not switched off."""
    return [workflow for kind, workflow in library.items() if kind not in site.settings.kinds_off]


def _server(site: Site) -> ComfyUI:
    given = site.settings
    return ComfyUI(
        given.comfyui_url or "",
        client_id="short-drama-doctor",
        authorization=given.comfyui_authorization,
    )
