"""`short-drama workflows ...`."""

import asyncio
import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import click
from rich.table import Table

from short_drama.cli import display
from short_drama.cli.configuration import read_settings
from short_drama.cli.exits import EXIT_FAILED, EXIT_UNAVAILABLE, EXIT_USAGE, Problem
from short_drama.comfyui_api.server.comfyui import ComfyUI
from short_drama.comfyui_api.workflows.check import Fault, advice, faults
from short_drama.comfyui_api.workflows.fit import fit
from short_drama.comfyui_api.workflows.workflow import Workflow
from short_drama.domain.errors import InvalidRequest, Unavailable
from short_drama.settings import Settings
from short_drama.wiring.engines import open_workflows


@dataclass(frozen=True, slots=True)
class Answers:
    """What a server says of itself: its node classes, and how it runs."""

    object_info: Mapping[str, Any]
    system: Mapping[str, Any]

    @property
    def version(self) -> str:
        return str((self.system.get("system") or {}).get("comfyui_version", "unknown"))

    @property
    def argv(self) -> Sequence[str]:
        return [str(word) for word in (self.system.get("system") or {}).get("argv") or ()]

    @property
    def vram_bytes(self) -> int:
        sizes = [device.get("vram_total") or 0 for device in self.system.get("devices") or ()]
        return max(sizes, default=0)


def ls(*, as_json: bool) -> None:
    workflows = _open(read_settings())
    if as_json:
        for workflow in workflows.values():
            display.print_json({"kind": workflow.kind, "models": dict(workflow.models)})
        return
    table = Table(box=None, header_style="bold", pad_edge=False)
    for heading in ("kind", "role", "model file"):
        table.add_column(heading)
    for workflow in workflows.values():
        for role, file in workflow.models.items():
            table.add_row(workflow.kind, role, file)
    display.console().print(table)


def check(*, comfyui_url: str | None, as_json: bool) -> None:
    settings = read_settings(comfyui_url=comfyui_url)
    if settings.comfy_v2_url is not None:
        raise Problem(
            "Comfy API v2 does not say which nodes and models its server has",
            fix="Unset SHORT_DRAMA_COMFY_V2_URL and ask the ComfyUI behind it, if it is yours.",
            code=EXIT_USAGE,
        )
    if settings.comfyui_url is None:
        raise Problem(
            "there is no ComfyUI to ask",
            fix="Give --comfyui-url, or set SHORT_DRAMA_COMFYUI_URL.",
            code=EXIT_USAGE,
        )
    workflows = _open(settings)
    answers = asyncio.run(_ask(settings.comfyui_url, settings.comfyui_authorization))
    found = {
        kind: faults(fit(workflow, answers.object_info), answers.object_info)
        for kind, workflow in workflows.items()
    }
    (_print_json if as_json else _print)(found, answers)
    if any(found.values()):
        raise click.exceptions.Exit(EXIT_FAILED)


def _open(settings: Settings) -> Mapping[str, Workflow]:
    try:
        return open_workflows(settings)
    except InvalidRequest as error:
        raise Problem(error.detail, fix=error.fix, code=EXIT_USAGE) from None


async def _ask(url: str, authorization: str | None) -> Answers:
    try:
        async with ComfyUI(
            url, client_id="short-drama-check", authorization=authorization
        ) as comfyui:
            return Answers(await comfyui.object_info(), await comfyui.system_stats())
    except Unavailable as error:
        raise Problem(
            f"{url}: {error.detail}",
            fix=error.fix or "Is ComfyUI running there?",
            code=EXIT_UNAVAILABLE,
        ) from None


def _print(found: Mapping[str, Sequence[Fault]], answers: Answers) -> None:
    click.echo(f"ComfyUI {answers.version}, {answers.vram_bytes / 2**30:.0f} GiB of GPU memory")
    for kind, its_faults in found.items():
        click.echo(f"{kind}: {'can run' if not its_faults else 'cannot run'}")
        for fault in its_faults:
            click.echo(f"  - {fault.message}\n    {fault.fix}")
    for sentence in advice(answers.vram_bytes, answers.argv):
        click.echo(f"Advice: {sentence}")


def _print_json(found: Mapping[str, Sequence[Fault]], answers: Answers) -> None:
    for kind, its_faults in found.items():
        told = [dataclasses.asdict(fault) for fault in its_faults]
        display.print_json({"kind": kind, "can_run": not told, "faults": told})
    display.print_json(
        {
            "comfyui_version": answers.version,
            "vram_bytes": answers.vram_bytes,
            "advice": advice(answers.vram_bytes, answers.argv),
        }
    )
