"""This machine's clock, against those of others: whoever answers over HTTP tells its time."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from email.utils import parsedate_to_datetime

import aiohttp
from yarl import URL

from short_drama.doctor.finding import Finding, not_applicable, ok, warning, wrong
from short_drama.doctor.site import Site
from short_drama.paid_api.providers.proxies import ProxyUnusable, proxy_for

UNNOTICED, HARMFUL = 40.0, 90.0
"""Seconds: what two thirds of a lease hide, and from when on tasks may fail for nothing; see
docs/operations.md."""


async def clock(site: Site) -> Finding:
    asked = await _others(site)
    if not asked:
        return not_applicable("nobody outside this machine is used who could be asked for the time")
    found = await asyncio.gather(*(_ahead(site, url) for url in asked.values()))
    ahead = {name: each for name, each in zip(asked, found, strict=True) if each is not None}
    if not ahead:
        return not_applicable(f"none of those who know the time answers: {', '.join(asked)}")
    return compared(ahead)


def compared(ahead: Mapping[str, float]) -> Finding:
    """`ahead`: by how many seconds our clock is ahead of whose. Who agrees with us most is
    believed: others may be wrong, but not about the same."""
    name, seconds = min(ahead.items(), key=lambda each: abs(each[1]))
    words = f"{abs(seconds):.0f} s {'ahead of' if seconds > 0 else 'behind'} {name}"
    cure = "Set it by the network: timedatectl set-ntp true, or `chronyc makestep`."
    if abs(seconds) > HARMFUL:
        return wrong(f"this machine's clock is {words}", cure)
    if abs(seconds) > UNNOTICED:
        return warning(f"this machine's clock is {words}", cure)
    return ok(f"it agrees with {name} to {max(abs(seconds), 1):.0f} s")


async def _others(site: Site) -> Mapping[str, str]:
    given = site.settings
    others = {
        "ComfyUI": given.comfyui_url,
        "the hosted ComfyUI": given.comfy_v2_url,
        "Qwen3-VL": given.dashscope_base_url if given.detector == "qwen" else None,
        "SeeDream": given.ark_base_url if given.generator == "seedream" else None,
        "AWS": (await site.survey()).endpoint if site.on_aws else None,
    }
    return {name: url for name, url in others.items() if url is not None}


async def _ahead(site: Site, url: str) -> float | None:
    """None of those who do not answer, or do not tell the time."""
    try:
        address = URL(url)
        async with site.http.head(
            address, allow_redirects=False, proxy=proxy_for(address)
        ) as answer:
            told = parsedate_to_datetime(answer.headers["Date"]).timestamp()
    except (aiohttp.ClientError, OSError, ProxyUnusable, KeyError, ValueError):
        return None
    return site.clock() - told
