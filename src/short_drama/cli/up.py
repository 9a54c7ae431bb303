"""`short-drama up` and `short-drama serve`."""

import asyncio
import logging
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import click

from short_drama.cli import host as hosting
from short_drama.cli.main import EXIT_UNAVAILABLE, EXIT_USAGE, Problem
from short_drama.domain.errors import InvalidRequest, ShortDramaError
from short_drama.settings import Settings, load
from short_drama.wiring import Component

_PORTS = ("orchestrator_port", "cpu_orchestrator_port", "comfyui_api_port", "paid_api_port")
_NAMES = {
    Component.ORCHESTRATOR: "Orchestrator, GPU tasks",
    Component.CPU_ORCHESTRATOR: "Orchestrator, CPU tasks",
    Component.COMFYUI_API: "ComfyUI API service",
    Component.PAID_API: "Paid API service",
}


def read_settings(**overrides: Any) -> Settings:
    """The settings, or the command's end with a clear message."""
    try:
        return load(overrides)
    except InvalidRequest as error:
        raise Problem(error.detail, fix=error.fix, code=EXIT_USAGE) from None


def up(*, data_dir: Path | None, host: str | None, ports: str | None) -> None:
    chosen: dict[str, int] = dict.fromkeys(_PORTS, 0) if ports == "auto" else {}
    settings = read_settings(data_dir=data_dir, host=host, **chosen)
    _run(settings, list(Component), alone=True)


def serve(component: str, *, data_dir: Path | None, host: str | None) -> None:
    settings = read_settings(data_dir=data_dir, host=host)
    _run(settings, [Component(component)], alone=False)


def _run(settings: Settings, components: Iterable[Component], *, alone: bool) -> None:
    logging.basicConfig(
        level=logging.WARNING,
        stream=sys.stderr,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
    )

    def ready(urls: Mapping[Component, str]) -> None:
        for component, name in _NAMES.items():
            if url := urls.get(component):
                click.echo(f"{name:<24} {url}")
        click.echo(f"{'Data':<24} {settings.data_dir}")
        click.echo("Ready. Ctrl-C drains and stops.")

    async def serving() -> None:
        await hosting.run(
            settings, components, alone=alone, ready=ready, stop=hosting.stop_on_signals()
        )

    try:
        asyncio.run(serving())
    except hosting.PortTaken as error:
        raise Problem(str(error), code=EXIT_UNAVAILABLE) from None
    except ShortDramaError as error:
        raise Problem(error.detail, fix=error.fix, code=EXIT_UNAVAILABLE) from None
