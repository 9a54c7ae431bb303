"""The settings: do they go together, and is there what they name?

What no setting reads, or a value that none takes, is refused before anything is examined.
"""

import asyncio
import ipaddress
import shlex
import shutil
from collections.abc import Collection, Iterator
from urllib.parse import urlsplit

from short_drama.doctor.finding import Finding, together, warning, wrong
from short_drama.doctor.here import here
from short_drama.doctor.site import Site
from short_drama.domain.errors import InvalidRequest
from short_drama.domain.kinds import Lane
from short_drama.settings import Settings
from short_drama.wiring.components import Component
from short_drama.wiring.engines import open_catalogue
from short_drama.wiring.prices import open_prices

_ORCHESTRATORS = {Component.ORCHESTRATOR, Component.CPU_ORCHESTRATOR}


async def settings(site: Site) -> Finding:
    components = await here(site)
    faults = await asyncio.to_thread(lambda: list(_faults(site.settings, components)))
    return together(faults, otherwise="they go together, and what they name is there")


def _faults(given: Settings, components: Collection[Component]) -> Iterator[Finding]:
    for opened in (open_catalogue, open_prices):
        try:
            opened(given)
        except InvalidRequest as error:
            yield wrong(error.detail, error.fix or f"Correct {error.field}.")
    yield from addresses(given, components)
    yield from times(given)
    yield from _comfyui(given)


def addresses(given: Settings, components: Collection[Component]) -> Iterator[Finding]:
    """Where clients are sent to read results, and what an orchestrator has to have."""
    if given.backend == "aws" and _ORCHESTRATORS & set(components) and given.secret is None:
        yield wrong(
            "an orchestrator on AWS needs SHORT_DRAMA_SECRET",
            "Set it to 32 random characters or more, the same for every orchestrator.",
        )
    if given.assets_url is None:
        return
    parts = urlsplit(given.assets_url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        yield wrong(
            f"SHORT_DRAMA_ASSETS_URL is no address: {given.assets_url}",
            "Give https://HOST, with the path below which assets are.",
        )
    elif given.backend == "aws" and given.cloudfront_domain not in (None, parts.netloc):
        yield warning(
            f"SHORT_DRAMA_ASSETS_URL leads to {parts.netloc}, and not to CloudFront's "
            f"{given.cloudfront_domain}",
            "Unset one of them: SHORT_DRAMA_ASSETS_URL counts.",
        )
    elif given.public_hosts and _is_local(parts.hostname):
        yield wrong(
            f"clients elsewhere are told to read results at {given.assets_url}, their own machine",
            "Unset SHORT_DRAMA_ASSETS_URL: they are told the address by which they came.",
        )


def times(given: Settings) -> Iterator[Finding]:
    """Of leases, against what must fit into them."""
    if given.progress >= given.lease_seconds:
        yield wrong(
            f"progress is written every {given.progress:g} s, and a lease lasts "
            f"{given.lease_seconds:g} s",
            "Set SHORT_DRAMA_PROGRESS_SECONDS to a third of SHORT_DRAMA_LEASE_SECONDS or less.",
        )
    for lane in Lane:
        if given.visibility(lane) < given.lease_seconds:
            yield wrong(
                f"a message of the {lane} lane shows up again after {given.visibility(lane):g} s, "
                f"while its task is held for {given.lease_seconds:g} s",
                "Set SHORT_DRAMA_VISIBILITY_SECONDS to more than SHORT_DRAMA_LEASE_SECONDS.",
            )


def _comfyui(given: Settings) -> Iterator[Finding]:
    command = shlex.split(given.comfyui_restart_command or "")
    if command and shutil.which(command[0]) is None:
        yield wrong(
            f"there is no program {command[0]} to restart ComfyUI with",
            "Correct SHORT_DRAMA_COMFYUI_RESTART_COMMAND: it is run without a shell.",
        )
    if given.comfyui_folder is not None and not (given.comfyui_folder / "output").is_dir():
        yield wrong(
            f"{given.comfyui_folder} is not ComfyUI's base folder: there is no output in it",
            "Correct SHORT_DRAMA_COMFYUI_FOLDER, or unset it: ComfyUI may be elsewhere.",
        )


def _is_local(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
