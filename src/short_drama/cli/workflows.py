"""`short-drama workflows ...`."""

import asyncio
import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import click
from rich.table import Table

from short_drama.cli import display
from short_drama.cli.configuration import read_settings
from short_drama.cli.exits import EXIT_FAILED, EXIT_UNAVAILABLE, EXIT_USAGE, Problem
from short_drama.cli.terminal import say
from short_drama.comfyui_api.prompts.camera_words import poses
from short_drama.comfyui_api.server.comfyui import ComfyUI
from short_drama.comfyui_api.workflows.check import Fault
from short_drama.comfyui_api.workflows.flags import advice
from short_drama.comfyui_api.workflows.folders import model_paths
from short_drama.comfyui_api.workflows.library import Library
from short_drama.comfyui_api.workflows.outlook import Outlook, outlook
from short_drama.comfyui_api.workflows.server_facts import ServerFacts
from short_drama.comfyui_api.workflows.shortcomings import shortcomings
from short_drama.comfyui_api.workflows.workflow import Workflow
from short_drama.domain.errors import Unavailable
from short_drama.wiring.engines import open_workflows


def ls(*, as_json: bool) -> None:
    workflows = open_workflows(read_settings())
    candidates = [each for kind in workflows for each in workflows.candidates(kind)]
    if as_json:
        for workflow in candidates:
            display.print_json(_told(workflow))
        return
    table = Table(box=None, header_style="bold", pad_edge=False)
    for heading in ("kind", "set", "role", "model file"):
        table.add_column(heading)
    for workflow in candidates:
        for role, path in model_paths(workflow).items():
            table.add_row(workflow.kind, workflow.model_set or "", role, path)
    display.console().print(table)


def _told(workflow: Workflow) -> Mapping[str, object]:
    told: dict[str, object] = {
        "kind": workflow.kind,
        "model_set": workflow.model_set,
        "models": dict(workflow.models),
        "paths": dict(model_paths(workflow)),
    }
    if words := workflow.manifest.camera_words:
        told["camera_poses"] = poses(words)
    return told


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
    workflows = open_workflows(settings)
    facts = asyncio.run(_ask(settings.comfyui_url, settings.comfyui_authorization))
    workflows.choose(facts)
    found = [_Found.of(kind, workflows, facts) for kind in workflows]
    (_print_json if as_json else _print)(found, facts)
    if any(each.faults for each in found):
        raise click.exceptions.Exit(EXIT_FAILED)


@dataclass(frozen=True, slots=True)
class _Found:
    """`better`: the set that the server would run instead, or better."""

    workflow: Workflow
    faults: Sequence[Fault]
    outlook: Outlook | None
    better: str | None

    @classmethod
    def of(cls, kind: str, workflows: Library, facts: ServerFacts) -> Self:
        workflow = workflows[kind]
        return cls(
            workflow,
            shortcomings(workflow, facts),
            outlook(workflow, facts),
            workflows.better(kind, facts),
        )

    @property
    def line(self) -> str:
        parts = [f"{self.workflow.kind}: {'cannot' if self.faults else 'can'} run"]
        if self.workflow.model_set:
            parts[0] += f" with {self.workflow.model_set}"
        if self.outlook is not None:
            parts.append(self.outlook.sentence)
        if self.better is not None:
            parts.append(f"{self.better} would do better")
        return "; ".join(parts)


async def _ask(url: str, authorization: str | None) -> ServerFacts:
    try:
        async with ComfyUI(
            url, client_id="short-drama-check", authorization=authorization
        ) as comfyui:
            return ServerFacts(await comfyui.object_info(), await comfyui.system_stats())
    except Unavailable as error:
        raise Problem(
            f"{url}: {error.detail}",
            fix=error.fix or "Is ComfyUI running there?",
            code=EXIT_UNAVAILABLE,
        ) from None


def _print(found: Sequence[_Found], facts: ServerFacts) -> None:
    memory = f"{facts.ram_bytes / 2**30:.0f} GiB of RAM"
    if facts.is_cpu:
        say(f"ComfyUI {facts.version} on a CPU, {memory}")
    else:
        on_card = f"{facts.vram_bytes / 2**30:.0f} GiB of GPU memory"
        say(f"ComfyUI {facts.version} on {facts.card}, {on_card}, {memory}")
    for each in found:
        say(each.line)
        for fault in each.faults:
            say(f"  - {fault.message}\n    {fault.fix}")
    for sentence in advice(facts):
        say(f"Advice: {sentence}")


def _print_json(found: Sequence[_Found], facts: ServerFacts) -> None:
    for each in found:
        told = each.outlook and {
            "verdict": each.outlook.verdict.name.lower(),
            "sentence": each.outlook.sentence,
        }
        display.print_json(
            {
                "kind": each.workflow.kind,
                "model_set": each.workflow.model_set,
                "can_run": not each.faults,
                "faults": [dataclasses.asdict(fault) for fault in each.faults],
                "outlook": told,
                "better": each.better,
            }
        )
    display.print_json(
        {
            "comfyui_version": facts.version,
            "card": facts.card,
            "vram_bytes": facts.vram_bytes,
            "ram_bytes": facts.ram_bytes,
            "advice": advice(facts),
        }
    )
