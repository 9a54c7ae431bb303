"""Our own components: do they answer, are they of this version, and who has their ports?"""

import asyncio
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp

from short_drama.doctor.finding import Finding, not_applicable, ok, together, warning, wrong
from short_drama.doctor.here import here
from short_drama.doctor.listeners import listener
from short_drama.doctor.site import Site
from short_drama.doctor.units import installed
from short_drama.settings import Settings
from short_drama.settings.parts import PREFIX
from short_drama.web.version import VERSION
from short_drama.wiring.components import Component

_WELL = ("ready", "busy")
_NOBODY = "no component of ours belongs on this machine, or named one: give --component"


@dataclass(frozen=True, slots=True)
class Neighbour:
    """Who answers where a component should be.

    Args:
        health: what it says at /health; None of whoever is not one of ours.
        silent: why nobody answered at all.
    """

    component: Component
    url: str
    health: Mapping[str, Any] | None = None
    silent: str | None = None

    @property
    def name(self) -> str:
        return f"{self.component} at {self.url}"

    @property
    def is_stranger(self) -> bool:
        """Whether somebody else answers, one of ours in the wrong place included."""
        if self.health is None:
            return self.silent is None
        return str(self.health["service"]) != service_name(self.component)


def service_name(component: Component) -> str:
    """What it calls itself at /health."""
    lane = component.process.lane
    match component:
        case Component.ORCHESTRATOR | Component.CPU_ORCHESTRATOR:
            return f"orchestrator-{lane}"
        case Component.GPU_ADAPTER | Component.CPU_ADAPTER:
            return f"{lane}-adapter"
    return str(component)


def address(settings: Settings, component: Component) -> str | None:
    """None where the system chose its port, which nobody else knows."""
    elsewhere = {
        Component.COMFYUI_API: settings.comfyui_api_url,
        Component.PAID_API: settings.paid_api_url,
    }
    if url := elsewhere.get(component):
        return url.rstrip("/")
    port = getattr(settings, component.process.port)
    return f"http://{settings.reached_at}:{port}" if port else None


async def look(site: Site, component: Component) -> Neighbour | None:
    url = address(site.settings, component)
    if url is None:
        return None
    return await site.once(("neighbour", component), lambda: _ask(site, component, url))


async def _ask(site: Site, component: Component, url: str) -> Neighbour:
    try:
        async with site.http.get(f"{url}/health", allow_redirects=False) as answer:
            told = await answer.json(content_type=None)
    except (aiohttp.ClientConnectorError, TimeoutError) as error:
        return Neighbour(component, url, silent=_why(error))
    except (aiohttp.ClientError, OSError, ValueError):
        return Neighbour(component, url)  # it answers something, and not as we do
    ours = isinstance(told, dict) and isinstance(told.get("service"), str) and "status" in told
    return Neighbour(component, url, health=told if ours else None)


def _why(error: BaseException) -> str:
    return "no answer in time" if isinstance(error, TimeoutError) else "nothing listens there"


async def _all(site: Site) -> list[Neighbour]:
    asked = [look(site, component) for component in await _expected(site)]
    return [each for each in await asyncio.gather(*asked) if each is not None]


async def _expected(site: Site) -> list[Component]:
    """Those of this machine, and the API services elsewhere that its adapters lead to."""
    components = set(await here(site))
    if Component.GPU_ADAPTER in components:
        components.add(Component.COMFYUI_API)
    if Component.CPU_ADAPTER in components:
        components.add(Component.PAID_API)
    return [component for component in Component if component in components]


# --- The checks ---------------------------------------------------------------------------


async def services(site: Site) -> Finding:
    """A port that a stranger has is `ports`' matter."""
    neighbours = [each for each in await _all(site) if not each.is_stranger]
    if not neighbours:
        return not_applicable(_NOBODY)
    units = await installed(site)
    if len(neighbours) > 1 and all(each.silent for each in neighbours) and not units:
        return wrong(
            "none of our components answers",
            "Start them: `short-drama up`, or `short-drama serve` for each.",
        )
    told = [_service(each, units) for each in neighbours]
    return together(told, otherwise=f"{len(told)} answer and take work")


def _service(neighbour: Neighbour, units: Collection[str]) -> Finding:
    component, unit = neighbour.component, neighbour.component.process.unit
    if neighbour.health is None:
        start = f"systemctl start {unit}" if unit in units else f"short-drama serve {component}"
        return wrong(f"{neighbour.name}: {neighbour.silent}", f"Start it: {start}")
    status, reason = neighbour.health["status"], neighbour.health.get("reason", "")
    if status in _WELL:
        return ok(neighbour.name)
    look = f"Look at its log: journalctl -u {unit} -n 100" if unit in units else "Look at its log."
    words = f"{neighbour.name} is {status}{f': {reason}' if reason else ''}"
    judged = warning if status == "starting" else wrong
    return judged(words, str(neighbour.health.get("fix") or look))


async def versions(site: Site) -> Finding:
    """Old and new understand each other during an upgrade; afterwards one was forgotten."""
    neighbours = [each for each in await _all(site) if not (each.silent or each.is_stranger)]
    if not neighbours:
        return not_applicable("no component of ours answers")
    return together(map(_version, neighbours), otherwise=f"all that answer are {VERSION}")


def _version(neighbour: Neighbour) -> Finding:
    version = (neighbour.health or {}).get("version")
    if version == VERSION:
        return ok(neighbour.name)
    theirs = f"is version {version}" if version else "is so old that it does not tell its version"
    return wrong(
        f"{neighbour.name} {theirs}, and this is {VERSION}",
        "Upgrade the older of the two and restart it: a process goes on with the code it was "
        "started with.",
    )


async def ports(site: Site) -> Finding:
    """Which of this machine's ports somebody else has."""
    local = [each for each in await here(site) if not _is_elsewhere(site.settings, each)]
    found = [each for each in await asyncio.gather(*(look(site, one) for one in local)) if each]
    if not found:
        return not_applicable("no port of this machine is to be one of ours")
    strangers = [each for each in found if each.is_stranger]
    taken = await asyncio.gather(*(_taken(site.settings, each) for each in strangers))
    return together(taken, otherwise="each is free, or a component of ours has it")


def _is_elsewhere(settings: Settings, component: Component) -> bool:
    urls = {
        Component.COMFYUI_API: settings.comfyui_api_url,
        Component.PAID_API: settings.paid_api_url,
    }
    return urls.get(component) is not None


async def _taken(settings: Settings, neighbour: Neighbour) -> Finding:
    setting = neighbour.component.process.port
    port = getattr(settings, setting)
    if neighbour.health is not None:
        return wrong(
            f"port {port} of the {neighbour.component} is that of {neighbour.health['service']}",
            f"Correct {PREFIX}{setting.upper()}, or the other's setting: here and in its service.",
        )
    program = await asyncio.to_thread(listener, port)
    who = f"{program}" if program else "somebody else; `ss -ltnp` as root says who"
    return wrong(
        f"port {port} of the {neighbour.component} is taken by {who}",
        f"Stop that program, or set {PREFIX}{setting.upper()} to a port that is free.",
    )
