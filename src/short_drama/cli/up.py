"""`short-drama up` and `short-drama serve`."""

import asyncio
import logging
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from short_drama.cli import extras, models
from short_drama.cli import host as hosting
from short_drama.cli.configuration import read_settings, set_up_logging
from short_drama.cli.exits import EXIT_UNAVAILABLE, Problem
from short_drama.cli.standing import counted
from short_drama.cli.terminal import say
from short_drama.domain.errors import ShortDramaError, Unavailable
from short_drama.service_manager import ServiceManager
from short_drama.settings import Settings
from short_drama.settings.unit import unit
from short_drama.wiring.components import FREE_PORTS, Component

log = logging.getLogger(__name__)


_ENDS = "They end, or go back to the queue for the next start"
_WITH_ENGINES = {Component.COMFYUI_API, Component.PAID_API}


def up(*, data_dir: Path | None, host: str | None, ports: str | None) -> None:
    extras.need_engines()
    chosen = FREE_PORTS if ports == "auto" else {}
    settings = read_settings(data_dir=data_dir, host=host, **chosen)
    models.prepare(settings)
    set_up_logging(settings, "up")
    _run(settings, list(Component), alone=True)


def serve(components: Sequence[str], *, data_dir: Path | None, host: str | None) -> None:
    chosen = [Component(name) for name in components]
    if _WITH_ENGINES.intersection(chosen):
        extras.need_engines()
    settings = read_settings(data_dir=data_dir, host=host)
    set_up_logging(settings, "+".join(components))
    _run(settings, chosen, alone=False)


def _data(settings: Settings) -> str:
    if settings.backend == "embedded":
        return str(settings.data_dir)
    return f"AWS: table {settings.name_prefix}{settings.table}, bucket {settings.bucket}"


def _run(settings: Settings, components: Iterable[Component], *, alone: bool) -> None:
    os.umask(0o077)  # faces, prompts and consent are nobody else's
    waits = False

    def away(trouble: Unavailable) -> None:
        nonlocal waits
        waits = True
        say(f"The backend does not answer yet: {trouble.detail}")

    def ready(urls: Mapping[Component, str]) -> None:
        for component, url in urls.items():
            say(f"{component.process.title:<24} {url}")
        say(f"{'Data':<24} {_data(settings)}")
        word = "It is asked again until it answers." if waits else "Ready."
        say(f"{word} Ctrl-C drains and stops.")
        log.info("ready", extra={"addresses": {str(one): url for one, url in urls.items()}})

    def draining(tasks: int) -> None:
        say(f"draining, {counted(tasks)}")
        if tasks:
            say(f"{_ENDS}, within {settings.drain_seconds:g} s; Ctrl-C again stops at once.")

    async def serving() -> None:
        manager = ServiceManager(unit().notify, watchdog=unit().watchdog)
        await hosting.run(
            settings,
            components,
            alone=alone,
            ready=ready,
            away=away,
            stop=hosting.stop_on_signals(),
            draining=draining,
            manager=manager,
        )

    try:
        asyncio.run(serving())
    except hosting.PortTaken as error:
        raise Problem(str(error), code=EXIT_UNAVAILABLE) from None
    except ShortDramaError as error:  # of the settings, or of what they name
        raise Problem.of(error) from None
