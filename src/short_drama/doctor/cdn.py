"""Where clients read results: does it show what the asset store holds?"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol
from urllib.parse import quote

import aiohttp
from yarl import URL

from short_drama.backends.aws.rightless import NotAllowed
from short_drama.backends.embedded.asset_facts import AssetFacts
from short_drama.doctor.finding import Finding, not_applicable, ok, wrong
from short_drama.doctor.site import Site
from short_drama.domain.errors import InvalidRequest
from short_drama.paid_api.providers.proxies import proxy_for
from short_drama.wiring.addresses import cdn_query

_PREFIX = "images/"
_CURE = (
    "Set SHORT_DRAMA_CLOUDFRONT_DOMAIN to the domain of the distribution in front of the bucket, "
    "or SHORT_DRAMA_ASSETS_URL; the bucket's policy has to let it get images/*, seedream/* and "
    "uploads/*."
)


class _Sample(Protocol):
    """Something that is published."""

    @property
    def key(self) -> str: ...

    @property
    def size(self) -> int: ...


@dataclass(frozen=True, slots=True)
class _File:
    key: str
    size: int


async def cdn(site: Site) -> Finding:
    given = site.settings
    domain = given.cloudfront_domain if site.on_aws else None
    base = given.assets_url or (f"https://{domain}" if domain else None)
    if base is None:
        return not_applicable("the orchestrators serve assets themselves")
    sample = await _sample(site)
    url = f"{base.rstrip('/')}/{quote(sample.key if sample else f'{_PREFIX}doctor')}"
    try:
        if (query := cdn_query(given)) is not None:
            url = f"{url}?{query(url)}"
    except InvalidRequest as error:
        if given.cloudfront_key_pair_id is not None and given.cloudfront_private_key is None:
            return not_applicable("addresses there are signed, with a key that we were not given")
        return wrong(error.detail, error.fix or "Set both or none.")
    return await _shown(site, base, URL(url, encoded=True), sample)


async def _shown(site: Site, base: str, url: URL, sample: _Sample | None) -> Finding:
    try:
        async with site.http.head(url, allow_redirects=False, proxy=proxy_for(url)) as answer:
            status, size = answer.status, answer.headers.get("Content-Length")
    except (aiohttp.ClientError, OSError) as error:
        return wrong(f"{base} cannot be reached ({_why(error)})", _CURE)
    if sample is None:
        return ok(f"{base} answers; there is nothing published yet that it should show")
    if status != 200:
        return wrong(f"{base} answers {status} for {sample.key}, which is in the store", _CURE)
    if size != str(sample.size):
        return wrong(f"{base} shows something else than the store's {sample.key}", _CURE)
    return ok(f"{base} shows what is in the store")


async def _sample(site: Site) -> _Sample | None:
    """None where nothing is published yet, or we may not look."""
    if not site.on_aws:
        return await asyncio.to_thread(_file, site.settings.data_dir / "assets" / "files")
    survey = await site.survey()
    try:
        return await survey.any_object(site.settings.bucket, _PREFIX)
    except NotAllowed:
        return None


def _file(root: Path) -> _File | None:
    for path in (root / _PREFIX).rglob("*"):
        if path.is_file() and not path.name.startswith("."):
            with contextlib.suppress(OSError, ValueError), path.open("rb") as file:
                _, size = AssetFacts.at_the_end_of(file)
                return _File(path.relative_to(root).as_posix(), size)
    return None


def _why(error: BaseException) -> str:
    match error:
        case TimeoutError():
            return "no answer in time"
        case aiohttp.ClientConnectorDNSError():
            return "its name does not resolve"
    return type(error).__name__
